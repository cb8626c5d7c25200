// SPDX-License-Identifier: BSL-1.0
//
// Starts a thread that does next to nothing, and joins it, again and again.
#pragma once

#include "../support/cases.hpp"

template <class Thread>
void create_and_join(benchmark::State& state) {
  long started = 0;
  for (auto _ : state) {
    Thread thread([&started] { ++started; });
    thread.join();
  }
  if (started != long(state.iterations())) state.SkipWithError("a thread did not run");
}

template <class Thread>
bench::cases creation_of(char const* library) {
  return {{"thread_create_join/pair", library, create_and_join<Thread>, bench::timing::wall}};
}
