// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <semaphore>

// The standard's nearest to an event. An int, because libstdc++ waits for that without a table of proxies.
class atomic_channel {
 public:
  void pass() {
    flag_.store(1, std::memory_order_release);
    flag_.notify_one();
  }
  void take() {
    flag_.wait(0, std::memory_order_acquire);
    flag_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int> flag_{0};
};

using condition = condition_channel<std::mutex, std::condition_variable, std::unique_lock<std::mutex>>;
using semaphore = semaphore_channel<std::binary_semaphore>;

ping_pong_of<condition> const by_condition("condition", "std");
ping_pong_of<semaphore> const by_semaphore("semaphore", "std");
ping_pong_of<atomic_channel> const by_atomic("event", "std");
