// SPDX-License-Identifier: BSL-1.0
//
// lock and unlock by the only thread that wants the mutex. Reports the size of the object too.
#pragma once

#include "../support/cases.hpp"

template <class Mutex>
void uncontended_pair(benchmark::State& state) {
  alignas(64) Mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
  state.counters["bytes"] = sizeof(Mutex);
}

template <class Mutex>
bench::cases uncontended_pair_of(char const* library) {
  return {{"mutex_uncontended/pair", library, uncontended_pair<Mutex>}};
}
