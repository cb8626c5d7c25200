// SPDX-License-Identifier: BSL-1.0
//
// What the tests of coroutines share: a loop with a scope and a time of its own, run by hand, and objects that note how
// they end.
//
//     support::hand_loop here;
//     auto f = concur::spawn(here, work());
//     here.run_one();                              // one item; run_all(): until nothing is ready
//     here.advance(1h);                            // its time; what is due becomes ready
//     CHECK(support::value_of(sum(3)) == 6);       // a task from begin to end
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/timer_heap.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"

#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support::inline CONCUR_ABI {

/// An executor of one thread, the one that made it, as an event loop is: its tasks stand in a scope of that thread, its
/// timers belong to it, and only `post` may come from elsewhere until its scope is shared. Its time stands still until
/// it is told to go on.
class hand_loop final : public concur::executor {
 public:
  explicit hand_loop(order which = usual_order()) : queue_(which) {}
  hand_loop(hand_loop const&) = delete;
  hand_loop& operator=(hand_loop const&) = delete;
  ~hand_loop() { run_all(); }

  void post(concur::work& item) noexcept override { queue_.push(item); }
  void arm(concur::work& item, concur::time_point when) override {
    std::lock_guard const hold(lock_);
    note_thread();
    timers_.add(item, when);
  }
  bool disarm(concur::work& item) noexcept override {
    std::lock_guard const hold(lock_);
    note_thread();
    if (!timers_.holds(item)) return false;
    timers_.remove(item);
    return true;
  }
  concur::time_point now() const noexcept override { return now_; }
  concur::cancellation& tasks() noexcept override { return scope_; }
  bool is_elsewhere() const noexcept override { return !is_own_thread(); }
  bool is_own_thread() const noexcept override { return std::this_thread::get_id() == owner_; }
  void task_ended() noexcept override { ++ended_; }

  /// Runs the first item that is ready. Returns false if there was none.
  bool run_one() {
    concur::executor_scope const here(*this);
    fire();
    auto* const item = queue_.take();
    if (item == nullptr) return false;
    item->run();
    return true;
  }
  int run_all() {
    int count = 0;
    while (run_one()) ++count;
    return count;
  }
  /// Runs items until `done()`, whatever thread they come from.
  template <class Done>
  void run_until(Done done) {
    while (!done()) {
      auto const heard = queue_.bell();
      if (!run_one() && !done()) {
        queue_.wait_for_ring_after(heard, concur::os::clock::now() + std::chrono::microseconds(200));
      }
    }
  }

  void advance(std::chrono::nanoseconds length) {
    now_ += length;
    fire();
  }
  std::size_t sleepers() noexcept {
    std::lock_guard const hold(lock_);
    return timers_.size();
  }
  int ended() const noexcept { return ended_; }
  /// Whether its timers were touched from elsewhere before its scope was shared.
  bool was_misused() noexcept {
    std::lock_guard const hold(lock_);
    return misused_;
  }

 private:
  void fire() noexcept {
    std::lock_guard const hold(lock_);
    while (auto* const due = timers_.pop_due(now_)) queue_.push(*due);
  }
  void note_thread() noexcept { misused_ = misused_ || (is_elsewhere() && !scope_.shared()); }

  std::thread::id const owner_ = std::this_thread::get_id();
  concur::cancellation scope_{concur::cancellation::sharing::one_thread};
  ordered_queue queue_;
  std::mutex lock_;  // of the timers
  concur::timer_heap timers_;
  concur::time_point now_ = concur::os::clock::now();
  int ended_ = 0;
  bool misused_ = false;
};

/// Runs a task from begin to end, and gives its value or throws its error.
template <class T>
T value_of(concur::task<T> body) {
  hand_loop here;
  auto f = concur::spawn(here, std::move(body));
  here.run_all();
  REQUIRE(f.done());
  return f.get();
}

/// Writes its name when it is destroyed, unless it was moved from.
class noting {
 public:
  noting(std::vector<std::string>& log, std::string name) : log_(&log), name_(std::move(name)) {}
  noting(noting&& other) noexcept : log_(std::exchange(other.log_, nullptr)), name_(std::move(other.name_)) {}
  noting& operator=(noting&&) = delete;
  ~noting() {
    if (log_ != nullptr) log_->push_back(name_);
  }

 private:
  std::vector<std::string>* log_;
  std::string name_;
};

}  // namespace support::inline CONCUR_ABI
