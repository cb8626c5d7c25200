// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

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

using with_condition = condition_gate<concur::mutex, concur::condition, std::unique_lock<concur::mutex>>;

bench::cases const here[] = {
    long_wait_for<mutex_gate<concur::mutex>>("mutex", "concur"),
    long_wait_for<semaphore_gate<concur::semaphore>>("semaphore", "concur"),
    long_wait_for<with_condition>("condition", "concur"),
    long_wait_for<event_gate>("event", "concur"),
    long_wait_for<event_count_gate>("event_count", "concur"),
};
