// SPDX-License-Identifier: BSL-1.0
//
// The timers of a pool: a heap under a lock, and the moment at which workers have to look at it.
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/timer_heap.hpp>

#include <mutex>

namespace concur::inline CONCUR_ABI::detail {

/// Any thread may call any member.
class pool_timers {
 public:
  /// Arms the item. Returns whether nothing is due earlier. Throws std::bad_alloc.
  bool add(work& item, time_point when) {
    std::lock_guard const hold(lock_);
    timers_.add(item, when);
    return publish_next() == when;
  }

  /// Returns false if it was taken as due.
  bool remove(work& item) noexcept {
    std::lock_guard const hold(lock_);
    if (!timers_.holds(item)) return false;
    timers_.remove(item);
    publish_next();
    return true;
  }

  /// When the next is due; os::never when there is none.
  // relaxed: a hint; who sets an earlier one wakes a sleeper.
  time_point next() const noexcept { return time_point(time_point::duration(next_.load(std::memory_order_relaxed))); }

  /// Calls `post(work&)` for everything that is due, under the lock: whoever then finds it not armed knows that it was
  /// posted.
  template <class Post>
  void take_due(time_point now, Post post) noexcept {
    std::lock_guard const hold(lock_);
    while (work* const due = timers_.pop_due(now)) post(*due);
    publish_next();
  }

 private:
  time_point publish_next() noexcept {
    auto const next = timers_.next_deadline();
    next_.store(next.time_since_epoch().count(), std::memory_order_relaxed);
    return next;
  }

  short_lock lock_;
  timer_heap timers_;  // under the lock
  os::atomic<time_point::rep> next_{os::never.time_since_epoch().count()};  // written under the lock
};

}  // namespace concur::inline CONCUR_ABI::detail
