// SPDX-License-Identifier: BSL-1.0
//
// Coroutines that await each other so and so deep; the innermost one returns at once, and then all do. Time of a level.
// The first chain, for which memory comes from the system, is not counted.
#pragma once

#include "../support/cases.hpp"

template <class Loop>
[[gnu::noinline]] typename Loop::template task<long> descend(long levels) {
  long below = 0;
  if (levels > 1) below = co_await descend<Loop>(levels - 1);
  co_return below + 1;
}

template <class Loop>
typename Loop::template task<bool> descend_again_and_again(benchmark::State& state, long levels) {
  bool right = co_await descend<Loop>(levels) == levels;
  while (state.KeepRunningBatch(levels)) {
    long const reached = co_await descend<Loop>(levels);
    right &= reached == levels;
  }
  co_return right;
}

template <class Loop>
void chain(benchmark::State& state, long levels) {
  Loop loop;
  if (!loop.run(descend_again_and_again<Loop>(state, levels))) state.SkipWithError("a wrong depth");
}

template <class Loop>
bench::cases chains_on(char const* library) {
  return {
      {"coro_chain/100", library, [](benchmark::State& state) { chain<Loop>(state, 100); }},
      {"coro_chain/million", library, [](benchmark::State& state) { chain<Loop>(state, 1'000'000); }},
  };
}
