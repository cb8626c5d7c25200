// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include <atomic>
#include <mutex>

class event_channel {
 public:
  void pass() { event_.set(); }
  void take() {
    event_.wait();
    event_.clear();
  }

 private:
  concur::event event_;
};

// An item that is either there or not, made blocking by an event count.
class event_count_channel {
 public:
  void pass() {
    item_.store(1, std::memory_order_release);
    arrived_.notify_one();
  }
  void take() {
    arrived_.wait([this] { return item_.load(std::memory_order_acquire) != 0; });
    item_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int> item_{0};
  concur::event_count arrived_;
};

using condition = condition_channel<concur::mutex, concur::condition, std::unique_lock<concur::mutex>>;
using semaphore = semaphore_channel<concur::semaphore>;

ping_pong_of<condition> const by_condition("condition", "concur");
ping_pong_of<semaphore> const by_semaphore("semaphore", "concur");
ping_pong_of<event_channel> const by_event("event", "concur");
ping_pong_of<event_count_channel> const by_event_count("event_count", "concur");
