// SPDX-License-Identifier: BSL-1.0
//
// How an event loop runs what is ready when it watches for slow callbacks, or when a test wants another order.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/loop/detail/ready_queue.hpp>
#include <concur/loop/event_loop_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

class watched_batch {
 public:
  explicit watched_batch(event_loop_options const& options) noexcept
      : longest_(options.virtual_time() ? std::chrono::nanoseconds::zero() : options.slow_callback()),
        handler_(options.on_slow_callback()),
        order_(options.ready_order().which()),
        random_(options.ready_order().seed()),
        wanted_(longest_ > longest_.zero() || order_ != ready_order::kind::in_order) {}

  /// Whether a loop has to run its items by `run`.
  bool wanted() const noexcept { return wanted_; }

  /// Runs the items; returns how many. `loop` is a name for reports.
  std::size_t run(work* items, std::string const& loop) noexcept;

 private:
  work* arranged(work* items) noexcept;
  void report(std::string const& loop, std::chrono::nanoseconds held) const noexcept;
  // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
  std::uint64_t next_random() noexcept {
    std::uint64_t z = random_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::chrono::nanoseconds const longest_;
  slow_callback_handler const handler_;
  ready_order::kind const order_;
  std::uint64_t random_;
  bool const wanted_;
  std::vector<work*> scratch_;
};

[[gnu::noinline]] inline std::size_t watched_batch::run(work* items, std::string const& loop) noexcept {
  bool const timed = longest_ > longest_.zero();
  auto begin = timed ? os::clock::now() : time_point();
  std::size_t count = 0;
  for (work* item = arranged(items); item != nullptr; ++count) {
    work* const next = item->next();
    item->run();
    item = next;
    if (!timed) continue;
    auto const end = os::clock::now();
    if (end - begin > longest_) report(loop, end - begin);
    begin = end;
  }
  return count;
}

inline work* watched_batch::arranged(work* items) noexcept {
  if (order_ == ready_order::kind::in_order) return items;
  if (order_ == ready_order::kind::reversed) return reversed(items);
  try {
    scratch_.clear();
    for (work* each = items; each != nullptr; each = each->next()) scratch_.push_back(each);
  } catch (std::bad_alloc const&) {
    return items;
  }
  work* shuffled = nullptr;
  for (std::size_t left = scratch_.size(); left > 0; --left) {
    work*& chosen = scratch_[static_cast<std::size_t>(next_random() % left)];
    chosen->set_next(shuffled);
    shuffled = std::exchange(chosen, scratch_[left - 1]);
  }
  return shuffled;
}

inline void watched_batch::report(std::string const& loop, std::chrono::nanoseconds held) const noexcept {
  if (handler_ != nullptr) return handler_({loop.c_str(), held});
  auto const milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(held).count();
  std::fprintf(stderr, "concur: a callback or a step of a task held the event loop%s%s%s for %lld ms\n",
               loop.empty() ? "" : " \"", loop.c_str(), loop.empty() ? "" : "\"", static_cast<long long>(milliseconds));
}

}  // namespace concur::inline CONCUR_ABI::detail
