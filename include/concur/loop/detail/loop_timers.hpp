// SPDX-License-Identifier: BSL-1.0
//
// The timers of an event loop: a heap, and a lock for it that costs nothing until the loop's tasks reach beyond it.
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/timer_heap.hpp>
#include <concur/loop/detail/ready_queue.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI::detail {

/// Of the loop's thread, but for `remove`: a task that has gone to another executor shares its scope with threads
/// there, which may cancel a task that sleeps here. The scope is shared before anybody there can know of it, so the
/// lock is taken by all from the first moment at which there are several.
class loop_timers {
 public:
  explicit loop_timers(cancellation const& tasks) noexcept : tasks_(tasks) {}

  /// How many are armed; also for reports of other threads.
  // relaxed: only the loop's thread adds, and it sees its own; one that is still counted was taken away just now.
  std::size_t size() const noexcept { return count_.load(std::memory_order_relaxed); }
  bool empty() const noexcept { return size() == 0; }

  time_point next_deadline() const noexcept {
    hold const held(*this);
    return timers_.next_deadline();
  }

  /// Throws std::bad_alloc.
  void add(work& item, time_point when) {
    hold const held(*this);
    timers_.add(item, when);
    count();
  }

  /// Returns false when it is not armed: it is in a queue, or has run. Any thread once the scope is shared.
  bool remove(work& item) noexcept {
    hold const held(*this);
    if (!timers_.holds(item)) return false;
    timers_.remove(item);
    count();
    return true;
  }

  /// Moves all that are due to the end of `ready`.
  void take_due(time_point now, ready_queue& ready) noexcept {
    hold const held(*this);
    while (work* const due = timers_.pop_due(now)) ready.push(*due);
    count();
  }

 private:
  class hold {
   public:
    explicit hold(loop_timers const& timers) noexcept : lock_(timers.tasks_.shared() ? &timers.lock_ : nullptr) {
      if (lock_ != nullptr) [[unlikely]]
        lock_->lock();
    }
    ~hold() {
      if (lock_ != nullptr) [[unlikely]]
        lock_->unlock();
    }
    hold(hold const&) = delete;
    hold& operator=(hold const&) = delete;

   private:
    short_lock* lock_;
  };

  void count() noexcept { count_.store(timers_.size(), std::memory_order_relaxed); }

  cancellation const& tasks_;
  short_lock mutable lock_;
  timer_heap timers_;                             // under the lock once tasks_ is shared
  os::machine_atomic<std::size_t> count_{0};  // the same
};

}  // namespace concur::inline CONCUR_ABI::detail
