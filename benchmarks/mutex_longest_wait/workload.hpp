// SPDX-License-Identifier: BSL-1.0
//
// Fairness: every thread holds the mutex for 10 microseconds, lets go of it and wants it again at once. The time
// reported is the longest that any thread waited for it during the slice.
#pragma once

#include "../support/cases.hpp"
#include "../support/crew.hpp"

#include <algorithm>
#include <array>
#include <chrono>

template <class Mutex>
void wait_longest(benchmark::State& state, int threads) {
  using namespace std::chrono;
  struct alignas(64) own_line {
    Mutex mutex;
  } shared;
  struct alignas(64) longest_wait {
    steady_clock::duration time{};
  };
  std::array<longest_wait, 16> waits;

  bench::run_crew(threads, 4 * bench::slice(), [&](int index, std::atomic<bool> const& stop) {
    steady_clock::duration longest{};
    while (!stop.load(std::memory_order_relaxed)) {
      auto const wanted = steady_clock::now();
      shared.mutex.lock();
      auto const got = steady_clock::now();
      longest = std::max(longest, got - wanted);
      while (steady_clock::now() - got < 10us) {
      }
      shared.mutex.unlock();
    }
    waits[index].time = longest;
  });

  bench::report(state, std::ranges::max(waits, {}, &longest_wait::time).time);
}

template <class Mutex>
bench::cases longest_wait_of(char const* library) {
  auto const with = [](int threads) { return [=](benchmark::State& state) { wait_longest<Mutex>(state, threads); }; };
  return {
      {"mutex_longest_wait/2_threads", library, with(2), bench::timing::own},
      {"mutex_longest_wait/4_threads", library, with(4), bench::timing::own},
  };
}
