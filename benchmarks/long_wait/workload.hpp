// SPDX-License-Identifier: BSL-1.0
//
// The CPU time that a thread uses while it waits for 200 milliseconds, from the call of the wait to its return.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"

#include <time.h>

#include <chrono>
#include <string>
#include <thread>

inline std::chrono::nanoseconds cpu_time_of_this_thread() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// `Gate` is shut when it has been made; `wait` returns after `open`, which the thread calls that made it.
template <class Gate>
void wait_long(benchmark::State& state) {
  using namespace std::chrono_literals;
  Gate gate;
  std::chrono::nanoseconds used{};
  std::jthread waiter([&] {
    bench::pin_to(bench::cpus().second);
    auto const before = cpu_time_of_this_thread();
    gate.wait();
    used = cpu_time_of_this_thread() - before;
  });
  std::this_thread::sleep_for(200ms);
  gate.open();
  waiter.join();
  bench::report(state, used);
}

template <class Gate>
bench::cases long_wait_for(std::string const& row, char const* library) {
  return {{"long_wait/" + row, library, wait_long<Gate>, bench::timing::own}};
}

template <class Mutex>
class mutex_gate {
 public:
  mutex_gate() { mutex_.lock(); }
  void wait() {
    mutex_.lock();
    mutex_.unlock();
  }
  void open() { mutex_.unlock(); }

 private:
  Mutex mutex_;
};

template <class Semaphore>
class semaphore_gate {
 public:
  void wait() { semaphore_.acquire(); }
  void open() { semaphore_.release(); }

 private:
  Semaphore semaphore_{0};
};

template <class Mutex, class Condition, class Lock>
class condition_gate {
 public:
  void wait() {
    Lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    {
      Lock const lock(mutex_);
      open_ = true;
    }
    changed_.notify_one();
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool open_ = false;
};
