// SPDX-License-Identifier: BSL-1.0
//
// How much work a pool has had, has and has done: from these counts alone it is known when it is idle, and when it is
// over. Nobody keeps a count of what is there now, which all would have to write.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/pool/detail/pool_member.hpp>
#include <concur/pool/detail/pool_work.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

/// Adds up what the workers and the queue count; what neither of them can count is counted here. All counts only grow.
/// Any thread may call any member.
class pool_counts {
 public:
  explicit pool_counts(pool_work const& counted) noexcept : work_(counted) {}

  /// Figures of about the same moment: never more done than started, nor more started than posted.
  struct figures {
    std::uint64_t posted = 0;
    std::uint64_t started = 0;
    std::uint64_t done = 0;
  };
  figures now() const noexcept;

  /// How many tasks are here: spawned here and not ended, or moved here and not away again.
  std::uint64_t tasks() const noexcept {
    auto const ended = ended_tasks();
    return admitted_tasks() - ended;
  }

  /// Whether there was a moment within the call at which nothing was queued and nothing ran.
  bool nothing_to_do() const noexcept {
    // All that was done was read before anything that was posted; so if they are equal, nothing was to be done at the
    // moment between.
    figures const all = now();
    return all.done == all.posted;
  }

  /// Whether there was one at which, besides, no task was here.
  bool nothing_left() const noexcept {
    // If as many tasks had ended before the question between as have come after it, there was none at that moment; and
    // where nothing runs, nothing comes.
    auto const ended = ended_tasks();
    return nothing_to_do() && ended == admitted_tasks();
  }

  /// An item from outside, or from a worker's deque, that no worker will run.
  // release: whoever sees the count sees what was done with the item.
  void add_discarded() noexcept { discarded_.fetch_add(1, std::memory_order_release); }

  /// A task from outside. Throws `closed` after `refuse_tasks`.
  void add_task() {
    auto now = admissions_.load(std::memory_order_relaxed);
    do {
      if ((now & refused) != 0) throw closed();
    } while (!admissions_.compare_exchange_weak(now, now + one_admitted, std::memory_order_relaxed,
                                                std::memory_order_relaxed));
  }
  void refuse_tasks() noexcept { admissions_.fetch_or(refused, std::memory_order_relaxed); }

 private:
  enum : std::uint64_t {
    refused = 1,
    one_admitted = 2,
  };

  std::uint64_t ended_tasks() const noexcept;
  std::uint64_t admitted_tasks() const noexcept;

  pool_work const& work_;
  os::atomic<std::uint64_t> discarded_{0};
  // Two times the tasks that ever came from outside, and whether they are refused. relaxed everywhere: what orders a
  // task's coming and its end is that it was posted between, and what orders it and the close is the pool's
  // `stopping_`.
  os::atomic<std::uint64_t> admissions_{0};
};

inline pool_counts::figures pool_counts::now() const noexcept {
  figures all;
  // In this order: what is counted as done was counted as started before, and that as posted.
  // mutant: the same count is read again below, and that is read before any that says what was posted.
  all.done = discarded_.load(std::memory_order_acquire);
  for (auto const& each : work_.workers()) all.done += each.done.load(std::memory_order_acquire);
  all.started = discarded_.load(std::memory_order_acquire);
  for (auto const& each : work_.workers()) all.started += each.started.load(std::memory_order_acquire);
  // mutant: these are read last but for the posts from outside, and order nothing.
  for (auto const& each : work_.workers()) all.posted += each.posted.load(std::memory_order_acquire);
  all.posted += work_.inlet().posted();
  return all;
}

inline std::uint64_t pool_counts::ended_tasks() const noexcept {
  std::uint64_t all = 0;
  // acquire: a task that is counted here has come, and what comes later in the caller sees that.
  for (auto const& each : work_.workers()) all += each.tasks_ended.load(std::memory_order_acquire);
  return all;
}

inline std::uint64_t pool_counts::admitted_tasks() const noexcept {
  std::uint64_t all = admissions_.load(std::memory_order_relaxed) / one_admitted;
  // relaxed: a worker admits a task in an item of its own; see admissions_.
  for (auto const& each : work_.workers()) all += each.tasks_admitted.load(std::memory_order_relaxed);
  return all;
}

}  // namespace concur::inline CONCUR_ABI::detail
