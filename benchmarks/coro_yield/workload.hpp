// SPDX-License-Identifier: BSL-1.0
//
// Coroutines that let the others run, through the queue of those that are ready: one alone, which is its own successor,
// and a hundred. Time of one yield.
#pragma once

#include "../support/cases.hpp"

template <class Loop>
typename Loop::template task<void> yield_alone(Loop& loop, benchmark::State& state) {
  for (auto _ : state) co_await loop.yield();
}

inline constexpr int crowd = 100;

template <class Loop>
typename Loop::template task<void> yield_until_stopped(Loop& loop, bool const& stop, int& left) {
  for (long yields = 0; !stop; ++yields) co_await loop.yield();
  --left;
}

template <class Loop>
typename Loop::template task<void> yield_in_a_crowd(Loop& loop, benchmark::State& state) {
  bool stop = false;
  int left = crowd - 1;
  for (int other = 1; other < crowd; ++other) loop.start(yield_until_stopped(loop, stop, left));
  while (state.KeepRunningBatch(crowd)) co_await loop.yield();
  stop = true;
  while (left != 0) co_await loop.yield();
}

template <class Loop>
bench::cases yielding_on(char const* library) {
  auto const alone = [](benchmark::State& state) {
    Loop loop;
    loop.run(yield_alone(loop, state));
  };
  auto const in_a_crowd = [](benchmark::State& state) {
    Loop loop;
    loop.run(yield_in_a_crowd(loop, state));
  };
  return {{"coro_yield/alone", library, alone}, {"coro_yield/hundred", library, in_a_crowd}};
}
