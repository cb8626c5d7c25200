// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <semaphore>

class atomic_gate {
 public:
  void wait() { open_.wait(0, std::memory_order_acquire); }
  void open() {
    open_.store(1, std::memory_order_release);
    open_.notify_one();
  }

 private:
  std::atomic<int> open_{0};
};

using with_condition = condition_gate<std::mutex, std::condition_variable, std::unique_lock<std::mutex>>;

bench::cases const here[] = {
    long_wait_for<mutex_gate<std::mutex>>("mutex", "std"),
    long_wait_for<semaphore_gate<std::binary_semaphore>>("semaphore", "std"),
    long_wait_for<with_condition>("condition", "std"),
    long_wait_for<atomic_gate>("event", "std"),
};
