// SPDX-License-Identifier: BSL-1.0
//
// In a coroutine: makes another one, which returns at once, and awaits it.
#pragma once

#include "../support/cases.hpp"

template <class Loop>
[[gnu::noinline]] typename Loop::template task<long> trivial(long number) {
  co_return number;
}

template <class Loop>
typename Loop::template task<long> await_all(benchmark::State& state) {
  long sum = 0;
  for (auto _ : state) sum += co_await trivial<Loop>(1);
  co_return sum;
}

template <class Loop>
void create_and_await(benchmark::State& state) {
  Loop loop;
  if (loop.run(await_all<Loop>(state)) != long(state.iterations())) state.SkipWithError("a wrong sum");
}

template <class Loop>
bench::cases awaiting_on(char const* library) {
  return {{"coro_await/trivial", library, create_and_await<Loop>}};
}
