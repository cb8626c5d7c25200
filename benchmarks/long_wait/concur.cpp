// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/recursive_mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>

#include <atomic>
#include <mutex>

class event_gate {
 public:
  void wait() { event_.wait(); }
  void open() { event_.set(); }

 private:
  concur::event event_;
};

class event_count_gate {
 public:
  void wait() {
    opened_.wait([this] { return open_.load(std::memory_order_acquire); });
  }
  void open() {
    open_.store(true, std::memory_order_release);
    opened_.notify_one();
  }

 private:
  std::atomic<bool> open_{false};
  concur::event_count opened_;
};

class shared_gate {
 public:
  shared_gate() { lock_.lock(); }
  void wait() {
    lock_.lock_shared();
    lock_.unlock_shared();
  }
  void open() { lock_.unlock(); }

 private:
  concur::shared_mutex lock_;
};

class latch_gate {
 public:
  void wait() { latch_.wait(); }
  void open() { latch_.count_down(); }

 private:
  concur::latch latch_{1};
};

class barrier_gate {
 public:
  void wait() { static_cast<void>(barrier_.arrive_and_wait()); }
  void open() { static_cast<void>(barrier_.arrive_and_wait()); }

 private:
  concur::barrier<> barrier_{2};
};

using with_condition = condition_gate<concur::mutex, concur::condition, std::unique_lock<concur::mutex>>;

bench::cases const here[] = {
    long_wait_for<mutex_gate<concur::mutex>>("mutex", "concur"),
    long_wait_for<mutex_gate<concur::recursive_mutex>>("recursive_mutex", "concur"),
    long_wait_for<mutex_gate<concur::shared_mutex>>("shared_mutex", "concur"),
    long_wait_for<shared_gate>("shared_mutex_shared", "concur"),
    long_wait_for<latch_gate>("latch", "concur"),
    long_wait_for<barrier_gate>("barrier", "concur"),
    long_wait_for<semaphore_gate<concur::semaphore>>("semaphore", "concur"),
    long_wait_for<with_condition>("condition", "concur"),
    long_wait_for<event_gate>("event", "concur"),
    long_wait_for<event_count_gate>("event_count", "concur"),
};
