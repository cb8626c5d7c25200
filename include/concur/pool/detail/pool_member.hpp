// SPDX-License-Identifier: BSL-1.0
//
// What a thread that works for a pool has of its own. There are workers, for all their life, and guests: threads from
// outside, for as long as they take part in a parallel algorithm.
#pragma once

#include <concur/core/cache_line.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/pool/detail/search_pace.hpp>
#include <concur/pool/detail/work_deque.hpp>
#include <concur/sync/event_count.hpp>

#include <cstddef>
#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

class fork;
class pool_state;
struct pool_worker;

/// Guest or worker.
struct alignas(2 * cache_line_size) pool_member {
  static constexpr std::size_t room_for_forks = CONCUR_EXPLORE ? 4 : 256;

  pool_member() = default;
  pool_member(pool_member const&) = delete;
  pool_member& operator=(pool_member const&) = delete;

  /// The innermost membership of the calling thread, or null.
  static pool_member*& current() noexcept { return os::thread_slot<pool_member, pool_member*>(); }

  /// Whether the calling thread is a member of this pool, of either kind.
  static bool in(pool_state const& which) noexcept {
    for (pool_member* each = current(); each != nullptr; each = each->outer) {
      if (each->pool == &which) return true;
    }
    return false;
  }

  // Written once, by the pool.
  pool_state* pool = nullptr;
  pool_worker* worker = nullptr;  // this, or null for a guest

  // The member's own: what its thread was before, in this pool or another.
  pool_member* outer = nullptr;

  // Members that wait for a fork which this one has taken from them: they may help with those that it makes itself.
  event_count helpers;

  work_deque<fork, room_for_forks> forks;
};

struct pool_worker : pool_member {
  static constexpr std::size_t room_for_jobs = CONCUR_EXPLORE ? 4 : 1024;
  static constexpr std::size_t room_for_tasks = room_for_jobs;

  /// The membership of the calling thread in this pool, as one of its workers, or null.
  static pool_worker* of(pool_state const& pool) noexcept {
    for (pool_member* each = current(); each != nullptr; each = each->outer) {
      if (each->pool == &pool && each->worker != nullptr) return each->worker;
    }
    return nullptr;
  }

  // The worker's own.
  unsigned given = 0;  // by what ran here, since others have had their turn
  unsigned looks = 0;  // elsewhere, since what others have came first
  unsigned turns = 0;  // whose it is
  work* following = nullptr;  // what to run as soon as the present item returns
  std::uint32_t random = 1;
  bool asleep = false;  // or about to fall asleep: counted so in the queue
  search_pace pace;

  // Written by the worker alone, so that counting costs no locked operation; read by those who add up. An item is
  // counted as posted before anybody can see it, and as done after it has run.
  os::atomic<std::uint64_t> posted{0};
  os::atomic<std::uint64_t> started{0};
  os::atomic<std::uint64_t> done{0};
  os::atomic<std::uint64_t> tasks_admitted{0};
  os::atomic<std::uint64_t> tasks_ended{0};
  static void count(os::atomic<std::uint64_t>& counter) noexcept {
    // relaxed: its own. release: whoever reads the count sees what was counted.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // Apart, because a shutdown may cancel jobs on any thread, but a task ends on a worker.
  work_deque<work, room_for_jobs> jobs;
  work_deque<work, room_for_tasks> tasks;
};

}  // namespace concur::inline CONCUR_ABI::detail
