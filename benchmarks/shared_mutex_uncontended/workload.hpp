// SPDX-License-Identifier: BSL-1.0
//
// lock and unlock, in either way, by the only thread that wants the lock. Reports the size of the object too.
#pragma once

#include "../support/cases.hpp"

template <class Mutex>
void shared_pair(benchmark::State& state) {
  alignas(64) Mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    mutex.lock_shared();
    mutex.unlock_shared();
  }
  state.counters["bytes"] = sizeof(Mutex);
}

template <class Mutex>
void exclusive_pair(benchmark::State& state) {
  alignas(64) Mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
}

template <class Mutex>
bench::cases uncontended_pairs_of(char const* library) {
  return {{"shared_mutex_uncontended/shared", library, shared_pair<Mutex>},
          {"shared_mutex_uncontended/exclusive", library, exclusive_pair<Mutex>}};
}
