// SPDX-License-Identifier: BSL-1.0
//
// lock and unlock by the only thread that wants the mutex, and the same by a thread that holds it already.
#pragma once

#include "../support/cases.hpp"

template <class Mutex>
void outer_pair(benchmark::State& state) {
  alignas(64) Mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
}

template <class Mutex>
void inner_pair(benchmark::State& state) {
  alignas(64) Mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  mutex.lock();
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
  mutex.unlock();
}

template <class Mutex>
bench::cases uncontended_pairs_of(char const* library) {
  return {{"recursive_mutex_uncontended/pair", library, outer_pair<Mutex>},
          {"recursive_mutex_uncontended/again", library, inner_pair<Mutex>}};
}
