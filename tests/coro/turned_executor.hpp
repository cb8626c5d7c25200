// SPDX-License-Identifier: BSL-1.0
//
// An executor of one thread, as an event loop is, whose clock is turned by hand.
//
//     support::turned_executor here;
//     auto f = concur::spawn(here, body());
//     here.run_all();
//     here.turn(2s);          // timers that are due by then have posted their items
//     here.run_all();
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/timer_heap.hpp>
#include <concur/future/future.hpp>

#include "../support/catch.hpp"
#include "../support/test_executor.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace support::inline CONCUR_ABI {

/// `post`: any thread. All else: the thread that made it; that nobody asks from another one is part of every test.
class turned_executor final : public concur::executor {
 public:
  explicit turned_executor(order which = usual_order()) : queue_(which) {}
  ~turned_executor() {
    require_own_thread();
    if (!tasks_.empty()) fail("an executor was destroyed before its tasks had ended");
  }

  void post(concur::work& item) noexcept override {
    posts_.fetch_add(1, std::memory_order_relaxed);
    queue_.push(item);
  }
  void arm(concur::work& item, concur::time_point when) override {
    require_own_thread();
    timers_.add(item, when);
    ++armed_ever_;
  }
  bool disarm(concur::work& item) noexcept override {
    require_own_thread();
    bool const armed = timers_.holds(item);
    if (armed) timers_.remove(item);
    return armed;
  }
  concur::time_point now() const noexcept override {
    require_own_thread();
    return now_;
  }
  concur::cancellation& tasks() noexcept override { return tasks_; }
  bool is_elsewhere() const noexcept override { return std::this_thread::get_id() != owner_; }

  /// Runs the first item; returns whether there was one.
  bool run_one() {
    require_own_thread();
    post_due();
    concur::executor_scope const here(*this);
    auto* const item = queue_.take();
    if (item != nullptr) item->run();
    return item != nullptr;
  }
  void run_all() {
    while (run_one()) continue;
  }

  /// Runs items until `done()`, and sleeps while there are none.
  template <class Done>
  void run_until(Done done) {
    for (;;) {
      auto const heard = queue_.bell();
      if (done()) return;
      if (!run_one()) queue_.wait_for_ring_after(heard, concur::os::never);
    }
  }
  void wake() noexcept { queue_.wake_sleepers(); }

  void turn(std::chrono::nanoseconds length) {
    now_ += length;
    post_due();
  }

  /// How many timers are armed, and ever were.
  std::size_t armed() const { return timers_.size(); }
  std::size_t armed_ever() const { return armed_ever_; }
  /// How often something was posted.
  int posts() const { return posts_.load(std::memory_order_relaxed); }

 private:
  void post_due() {
    while (auto* const due = timers_.pop_due(now_)) queue_.push(*due);
  }
  void require_own_thread() const noexcept {
    if (is_elsewhere()) fail("an executor of one thread was asked from another one");
  }
  [[noreturn]] static void fail(char const* sentence) noexcept {
    std::fprintf(stderr, "%s\n", sentence);
    std::abort();
  }

  std::thread::id const owner_ = std::this_thread::get_id();
  concur::cancellation tasks_{concur::cancellation::sharing::one_thread};
  ordered_queue queue_;
  concur::timer_heap timers_;
  concur::time_point now_ = concur::time_point(std::chrono::hours(1));
  std::size_t armed_ever_ = 0;
  std::atomic<int> posts_{0};
};

/// Runs what is ready, which ends the task, and gives its result.
template <class T>
T result_of(turned_executor& here, concur::future<T>& f) {
  here.run_all();
  REQUIRE(f.done());
  return f.get();
}

}  // namespace support::inline CONCUR_ABI
