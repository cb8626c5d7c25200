// SPDX-License-Identifier: BSL-1.0
//
// One thread makes the two ends of a future, computes a number, sets it and gets it, and drops both ends.
#pragma once

#include "../support/cases.hpp"

inline void doubled(benchmark::State& state, auto through_a_future) {
  long number = 1;
  long sum = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(number);
    sum += through_a_future([&number] { return 2 * number; });
  }
  if (sum != 2 * long(state.iterations())) state.SkipWithError("a wrong result");
}

inline bench::cases futures_of(char const* library, auto through_a_future) {
  return {
      {"future_alone/create_run_set_get", library, [=](benchmark::State& state) { doubled(state, through_a_future); }}};
}
