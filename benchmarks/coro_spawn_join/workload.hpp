// SPDX-License-Identifier: BSL-1.0
//
// In a coroutine: starts another one that returns at once, and waits for its result; then the same with a hundred that
// are started first and waited for afterwards. Time of one of them.
#pragma once

#include "../support/cases.hpp"

inline constexpr int crowd = 100;

template <class Loop>
[[gnu::noinline]] typename Loop::template task<long> trivial(long number) {
  co_return number;
}

template <class Loop>
typename Loop::template task<long> one_by_one(Loop& loop, benchmark::State& state) {
  long sum = 0;
  for (auto _ : state) {
    long const result = co_await loop.spawn(trivial<Loop>(1));
    sum += result;
  }
  co_return sum;
}

/// `Loop` has `co_await loop.spawn_all(make)`: spawns what `make()` gives, a hundred times, joins all and adds up.
template <class Loop>
typename Loop::template task<long> a_hundred(Loop& loop, benchmark::State& state) {
  long sum = 0;
  while (state.KeepRunningBatch(crowd)) {
    long const results = co_await loop.spawn_all(trivial<Loop>);
    sum += results;
  }
  co_return sum;
}

template <class Loop>
bench::cases spawning_one_on(char const* library) {
  auto const run = [](benchmark::State& state) {
    Loop loop;
    if (loop.run(one_by_one(loop, state)) != long(state.iterations())) state.SkipWithError("a wrong sum");
  };
  return {{"coro_spawn_join/one_by_one", library, run}};
}

template <class Loop>
bench::cases spawning_a_hundred_on(char const* library) {
  auto const run = [](benchmark::State& state) {
    Loop loop;
    long const sum = loop.run(a_hundred(loop, state));
    if (sum < long(state.iterations()) || sum % crowd != 0) state.SkipWithError("a wrong sum");
  };
  return {{"coro_spawn_join/hundred", library, run}};
}
