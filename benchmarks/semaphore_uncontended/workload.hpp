// SPDX-License-Identifier: BSL-1.0
//
// acquire and release by the only thread that uses the semaphore.
#pragma once

#include "../support/cases.hpp"

template <class Semaphore>
void acquire_and_release(benchmark::State& state) {
  alignas(64) Semaphore semaphore(1);
  benchmark::DoNotOptimize(&semaphore);
  for (auto _ : state) {
    semaphore.acquire();
    semaphore.release();
  }
  state.counters["bytes"] = sizeof(Semaphore);
}

template <class Semaphore>
bench::cases acquire_and_release_of(char const* library) {
  return {{"semaphore_uncontended/pair", library, acquire_and_release<Semaphore>}};
}
