// SPDX-License-Identifier: BSL-1.0
//
// Two threads that take turns. Time: one round trip, that is two hand-overs.
//
// A channel is one direction: `pass` lets the other side go, `take` waits for that. Three placements: the threads are
// pinned to two cores; both are pinned to one core, of several that the process may use; the process may use one CPU
// only and knows it.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"

#include <string>
#include <thread>

template <class Channel>
void ping_pong(benchmark::State& state, int cpu_of_partner) {
  struct lines {
    alignas(64) Channel there;
    alignas(64) Channel back;
    alignas(64) bool last = false;  // written before a pass, read after it
  };
  lines both;
  std::jthread const partner([&] {
    bench::pin_to(cpu_of_partner);
    for (;;) {
      both.there.take();
      if (both.last) return;
      both.back.pass();
    }
  });
  both.there.pass();  // the partner has started when it has come back
  both.back.take();
  for (auto _ : state) {
    both.there.pass();
    both.back.take();
  }
  both.last = true;
  both.there.pass();
}

template <class Channel>
bench::cases ping_pong_across_cores(std::string const& row, char const* library) {
  return {{"handover/across_cores/" + row, library,
           [](benchmark::State& state) { ping_pong<Channel>(state, bench::cpus().second); }, bench::timing::wall}};
}

template <class Channel>
bench::cases ping_pong_on_one_core(std::string const& row, char const* library) {
  auto const run = [](benchmark::State& state) { ping_pong<Channel>(state, bench::cpus().first); };
  return {{"handover/one_core/" + row, library, run, bench::timing::wall},
          {"handover/one_cpu_process/" + row, library, run, bench::timing::wall, bench::machine::one_cpu}};
}

template <class Channel>
struct ping_pong_of {
  ping_pong_of(char const* row, char const* library)
      : across_cores(ping_pong_across_cores<Channel>(row, library)),
        one_core(ping_pong_on_one_core<Channel>(row, library)) {}
  bench::cases across_cores;
  bench::cases one_core;
};

/// A flag under a mutex, with a condition: the same text for every library.
template <class Mutex, class Condition, class Lock>
class condition_channel {
 public:
  void pass() {
    {
      Lock const lock(mutex_);
      passed_ = true;
    }
    changed_.notify_one();
  }
  void take() {
    Lock lock(mutex_);
    changed_.wait(lock, [this] { return passed_; });
    passed_ = false;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool passed_ = false;
};

template <class Semaphore>
class semaphore_channel {
 public:
  void pass() { semaphore_.release(); }
  void take() { semaphore_.acquire(); }

 private:
  Semaphore semaphore_{0};
};
