// SPDX-License-Identifier: BSL-1.0
//
// Plain code runs a coroutine that returns at once, and takes its result. A loop that has to be made is made once.
#pragma once

#include "../support/cases.hpp"

template <class Loop>
[[gnu::noinline]] typename Loop::template task<long> trivial(long number) {
  co_return number;
}

template <class Loop>
void run_one(benchmark::State& state) {
  Loop loop;
  long sum = 0;
  for (auto _ : state) sum += loop.run(trivial<Loop>(1));
  if (sum != long(state.iterations())) state.SkipWithError("a wrong sum");
}

template <class Loop>
bench::cases running_on(char const* library) {
  return {{"coro_run/trivial", library, run_one<Loop>}};
}
