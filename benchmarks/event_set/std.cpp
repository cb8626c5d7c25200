// SPDX-License-Identifier: BSL-1.0
//
// The standard has no event. Its means for the job: an atomic to wait on, a latch (which cannot be cleared), and a flag
// with mutex and condition.
#include "workload.hpp"

#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>

class set_atomic {
 public:
  void wait() { flag_.wait(0, std::memory_order_acquire); }

 private:
  std::atomic<int> flag_{1};
};

class released_latch {
 public:
  released_latch() { latch_.count_down(); }
  void wait() { latch_.wait(); }

 private:
  std::latch latch_{1};
};

// Only asks; what a caller does who knows that it has happened.
class asked_latch {
 public:
  asked_latch() { latch_.count_down(); }
  void wait() {
    while (!latch_.try_wait()) {
    }
  }

 private:
  std::latch latch_{1};
};

class flag_with_condition {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = true;
};

bench::cases const atomic = wait_for_set_event_of<set_atomic>("std_atomic");
bench::cases const latch = wait_for_set_event_of<released_latch>("std_latch");
bench::cases const latch_try = wait_for_set_event_of<asked_latch>("std_latch_try");
bench::cases const condition = wait_for_set_event_of<flag_with_condition>("std_condition");
