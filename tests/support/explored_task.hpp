// SPDX-License-Identifier: BSL-1.0
//
// One coroutine under the explorer, on an executor that costs few steps: a slot for one work item and a word to sleep
// on, instead of a queue.
//
//     auto& st = s.make<state>();
//     auto& t = s.make<explored::one_task>(waits_for(st));
//     s.thread("worker", [&t] { t.run(); });            // runs the coroutine to its end
//     s.thread("canceller", [&t] { t.cancel(); });
//
// It has one timer, whose item runs on a thread of its own, as on another worker of a pool:
//
//     s.thread("worker", [&t] { t.run(); t.stop_clock(); });
//     s.thread("clock", [&t] { t.run_clock(); });       // the timer is due when this thread comes to it
//     s.thread("another", [&t] { t.run_if_armed(); });  // instead: it is due now, or never
#pragma once

#include "bounded.hpp"
#include "test_task.hpp"

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/timer_heap.hpp>

#include <utility>

namespace explored {

/// For a single task: it is posted again only after it has run. A second post before that is a race on the slot.
class one_slot_executor final : public concur::executor {
 public:
  void post(concur::work& item) noexcept override {
    slot_.set(&item);
    full_.store(full, std::memory_order_release);
    concur::os::futex_wake(&full_);
  }
  void arm(concur::work& item, concur::time_point) override {
    timer_.set(&item);
    clock_.store(full, std::memory_order_release);
    concur::os::futex_wake(&clock_);
  }
  bool disarm(concur::work&) noexcept override {
    std::uint32_t armed = full;
    return clock_.compare_exchange_strong(armed, empty, std::memory_order_relaxed, std::memory_order_relaxed);
  }

  /// Waits for an item and runs it; returns at once when it is closed.
  void run_one() {
    std::uint32_t state = empty;
    while ((state = full_.exchange(empty, std::memory_order_acquire)) == empty) concur::os::futex_wait(full_, empty);
    if (state == closed) return;
    concur::executor_scope const here(*this);
    slot_.get()->run();
  }
  /// No item will come any more.
  void close() {
    full_.store(closed, std::memory_order_release);
    concur::os::futex_wake(&full_);
  }

  /// Runs the items of timers until the clock is stopped.
  void run_clock() {
    do {
      concur::os::futex_wait(clock_, empty);
    } while (run_if_armed() != closed);
  }
  /// Returns what the clock was.
  std::uint32_t run_if_armed() {
    std::uint32_t armed = full;
    // acquire: the item.
    if (clock_.compare_exchange_strong(armed, empty, std::memory_order_acquire, std::memory_order_relaxed)) {
      timer_.get()->run();
    }
    return armed;
  }
  /// No timer will be armed any more, and none is.
  void stop_clock() {
    testing::check(clock_.exchange(closed, std::memory_order_relaxed) == empty, "a timer was left armed");
    concur::os::futex_wake(&clock_);
  }

 private:
  enum : std::uint32_t { empty, full, closed };
  concur::os::plain<concur::work*> slot_;
  concur::os::atomic<std::uint32_t> full_{empty};
  concur::os::plain<concur::work*> timer_;
  concur::os::atomic<std::uint32_t> clock_{empty};  // full: the timer is armed
};

class one_task {
 public:
  explicit one_task(support::test_task<> body) : root_(executor_, std::move(body)) {}

  /// On one thread: starts the coroutine and runs it until it ends.
  void run() {
    root_.start();
    while (!root_.done()) executor_.run_one();
  }
  /// Instead of `run`, each on a thread of its own: a coroutine that sleeps once at the most starts on the first and is
  /// resumed on either.
  void run_first_half() {
    root_.start();
    run_second_half();
  }
  void run_second_half() {
    executor_.run_one();
    if (root_.done()) executor_.close();
  }
  /// See above.
  void run_clock() { executor_.run_clock(); }
  void run_if_armed() { executor_.run_if_armed(); }
  void stop_clock() { executor_.stop_clock(); }

  /// Any thread.
  void cancel() { root_.cancel(); }

  bool was_cancelled() const { return root_.was_cancelled(); }
  bool failed() const { return root_.failed(); }

 private:
  one_slot_executor executor_;
  support::root_task<void> root_;
};

}  // namespace explored
