// SPDX-License-Identifier: BSL-1.0
//
// What the machine takes for a round trip with nothing around it: cache lines alone, and the kernel alone.
#include "workload.hpp"

#include "../support/futex_mutex.hpp"

#include <atomic>

class cache_line_channel {
 public:
  void pass() { flag_.store(1, std::memory_order_release); }
  void take() {
    while (flag_.load(std::memory_order_acquire) == 0) {
    }
    flag_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int> flag_{0};
};

class futex_channel {
 public:
  void pass() {
    flag_.store(1, std::memory_order_release);
    bench::futex_wake_one(flag_);
  }
  void take() {
    while (flag_.load(std::memory_order_acquire) == 0) bench::futex_wait(flag_, 0);
    flag_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int> flag_{0};
};

// No sleep at all: the other thread is let run by a yield.
class yield_channel {
 public:
  void pass() { flag_.store(1, std::memory_order_release); }
  void take() {
    while (flag_.load(std::memory_order_acquire) == 0) std::this_thread::yield();
    flag_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int> flag_{0};
};

bench::cases const cache_line = ping_pong_across_cores<cache_line_channel>("floor", "cache_line");
ping_pong_of<futex_channel> const futex("floor", "futex");
bench::cases const yield = ping_pong_on_one_core<yield_channel>("floor", "yield");
