// SPDX-License-Identifier: BSL-1.0
//
// Executors for tests, without an event loop or a pool behind them.
//
//     support::queue_executor here;
//     here.post(item);                              // any thread
//     here.run_ready();                             // runs what is queued, on the calling thread
//     here.run_until([&] { return root.done(); });  // sleeps while nothing is queued
//
//     here.arm(item, deadline_after(5ms));          // posts it when it is due, from run_ready and run_until
//
//     support::threads_executor pool(2);            // two threads that share a queue
//
// queue_executor is built on the seam alone, so it works under the explorer too; threads_executor does not.
#pragma once

#include "ready_orders.hpp"

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/core/timer_heap.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace support::inline CONCUR_ABI {

/// Work items in order of arrival, timers whose items arrive when they are due, and a bell for those who wait for one.
/// Any thread. Nobody who pushes touches the queue after the item can be taken: it may be destroyed by then.
class work_queue {
 public:
  work_queue() = default;
  work_queue(work_queue const&) = delete;
  work_queue& operator=(work_queue const&) = delete;

  void push(concur::work& item) noexcept {
    std::lock_guard const hold(lock_);
    append(item);
    ring();
  }

  void arm(concur::work& item, concur::time_point when) {
    std::lock_guard const hold(lock_);
    timers_.add(item, when);
    ring();  // whoever sleeps may have to sleep for a shorter time
  }

  /// Returns false when it has arrived already.
  bool disarm(concur::work& item) noexcept {
    std::lock_guard const hold(lock_);
    bool const armed = timers_.holds(item);
    if (armed) timers_.remove(item);
    return armed;
  }

  /// Takes the first one out; null when empty. `next` tells when the first timer that is left is due.
  concur::work* pop(concur::time_point& next) noexcept {
    std::lock_guard const hold(lock_);
    append_due();
    next = timers_.next_deadline();
    auto* const item = first_.get();
    if (item != nullptr) first_.set(item->next());
    return item;
  }

  /// The same for all, as a chain.
  concur::work* pop_all(concur::time_point& next) noexcept {
    std::lock_guard const hold(lock_);
    append_due();
    next = timers_.next_deadline();
    auto* const chain = first_.get();
    first_.set(nullptr);
    return chain;
  }

  /// Makes everybody who sleeps look again.
  void wake_sleepers() noexcept {
    std::lock_guard const hold(lock_);
    ring();
  }

  /// To sleep: read the bell, find nothing to do, then wait for another ring, or until the next timer is due.
  std::uint32_t bell() const noexcept { return bell_.load(std::memory_order_acquire); }
  void wait_for_ring_after(std::uint32_t heard, concur::time_point next) const noexcept {
    concur::os::futex_wait(bell_, heard, next);
  }

 private:
  void append(concur::work& item) noexcept {
    item.set_next(nullptr);
    if (first_.get() == nullptr) {
      first_.set(&item);
    } else {
      last_.get()->set_next(&item);
    }
    last_.set(&item);
  }

  void append_due() noexcept {
    if (timers_.empty()) return;
    auto const now = concur::os::clock::now();
    while (auto* const due = timers_.pop_due(now)) append(*due);
  }

  void ring() noexcept {
    bell_.fetch_add(1, std::memory_order_release);
    concur::os::futex_wake(&bell_, INT32_MAX);
  }

  concur::short_lock lock_;
  concur::os::plain<concur::work*> first_;  // under the lock
  concur::os::plain<concur::work*> last_;   // under the lock; meaningful unless first_ is null
  concur::timer_heap timers_;               // under the lock
  concur::os::atomic<std::uint32_t> bell_{0};
};

/// The same for an executor of one thread, whose items run one by one in some order.
class ordered_queue : public work_queue {
 public:
  explicit ordered_queue(order which) : in_order_(which.kind == ready_order::first_in_first_out), batch_(which) {}

  /// Takes one out; null when empty.
  concur::work* take() noexcept {
    concur::time_point never;
    if (in_order_) return pop(never);
    if (batch_.empty()) batch_.fill(pop_all(never));
    return batch_.take();
  }

 private:
  bool const in_order_;
  ready_batch batch_;
};

/// Runs its items on the thread that asks for it. `post`, `arm`, `disarm` and `wake`: any thread; all else: one thread
/// at a time.
class queue_executor final : public concur::executor {
 public:
  explicit queue_executor(order which = usual_order())
      : in_order_(which.kind == ready_order::first_in_first_out), batch_(which) {}

  void post(concur::work& item) noexcept override { queue_.push(item); }
  void arm(concur::work& item, concur::time_point when) override { queue_.arm(item, when); }
  bool disarm(concur::work& item) noexcept override { return queue_.disarm(item); }

  /// Runs what is queued now, but not what is posted meanwhile; returns how many items that were.
  std::size_t run_ready() {
    concur::time_point next;
    return run_ready(next);
  }

  /// Runs items until nothing is queued.
  std::size_t run_all() {
    std::size_t total = 0;
    while (std::size_t const count = run_ready()) total += count;
    return total;
  }

  /// Runs items until `done()`, and sleeps while there are none. What `done` reads is changed by items that run here,
  /// or by a thread that calls `wake` afterwards.
  template <class Done>
  void run_until(Done done) {
    for (;;) {
      auto const heard = queue_.bell();
      concur::time_point next;
      if (done()) return;
      if (run_ready(next) == 0) queue_.wait_for_ring_after(heard, next);
    }
  }

  void wake() noexcept { queue_.wake_sleepers(); }

 private:
  std::size_t run_ready(concur::time_point& next) {
    concur::executor_scope const here(*this);
    auto* const chain = queue_.pop_all(next);
    return in_order_ ? run_in_order(chain) : run_out_of_order(chain);
  }

  static std::size_t run_in_order(concur::work* chain) {
    std::size_t count = 0;
    for (; chain != nullptr; ++count) {
      auto* const item = chain;
      chain = item->next();  // before the item runs, after which it may be gone
      item->run();
    }
    return count;
  }

  std::size_t run_out_of_order(concur::work* chain) {
    std::size_t count = 0;
    batch_.fill(chain);
    for (; auto* const item = batch_.take(); ++count) item->run();
    return count;
  }

  bool const in_order_;
  ready_batch batch_;
  work_queue queue_;
};

/// Threads that share one queue, as those of a pool do. The destructor runs what is queued and joins; no timer may be
/// armed by then.
class threads_executor final : public concur::executor {
 public:
  explicit threads_executor(unsigned count) {
    while (threads_.size() < count) threads_.emplace_back([this] { work_until_closed(); });
  }

  ~threads_executor() {
    closing_.store(true);
    queue_.wake_sleepers();
    for (auto& each : threads_) each.join();
  }

  void post(concur::work& item) noexcept override { queue_.push(item); }
  void arm(concur::work& item, concur::time_point when) override { queue_.arm(item, when); }
  bool disarm(concur::work& item) noexcept override { return queue_.disarm(item); }

 private:
  void work_until_closed() {
    concur::executor_scope const here(*this);
    for (;;) {
      auto const heard = queue_.bell();
      bool const closing = closing_.load();
      concur::time_point next;
      if (auto* const item = queue_.pop(next)) {
        item->run();
      } else if (closing) {
        return;
      } else {
        queue_.wait_for_ring_after(heard, next);
      }
    }
  }

  work_queue queue_;
  concur::os::atomic<bool> closing_{false};
  std::vector<std::thread> threads_;
};

}  // namespace support::inline CONCUR_ABI
