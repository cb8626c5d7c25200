// SPDX-License-Identifier: BSL-1.0
//
// notify_one while nobody waits.
#pragma once

#include "../support/cases.hpp"

template <class Condition>
void notify_nobody(benchmark::State& state) {
  alignas(64) Condition condition;
  benchmark::DoNotOptimize(&condition);
  for (auto _ : state) {
    condition.notify_one();
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = sizeof(Condition);
}

template <class Condition>
bench::cases notify_nobody_of(char const* library) {
  return {{"condition_notify/nobody_waits", library, notify_nobody<Condition>}};
}
