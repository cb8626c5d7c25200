// SPDX-License-Identifier: BSL-1.0
//
// A loop over floats, about two nanoseconds an element: ten million of them; a thousand, for which it hardly pays to
// wake a second thread, with the grain that the library chooses; and a thousand that must be done in two halves. Two
// threads in all. What is done with an element is the same code for all.
#pragma once

#include "../support/jobs.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

inline constexpr std::size_t many = 10'000'000;
inline constexpr std::size_t few = 1'000;

inline void step(float& x) { x = std::sqrt(x) * 1.5f + 1.0f; }

/// A `Loop` is called with the first element and their number, and does one step for each.
template <class Loop>
void repeat(benchmark::State& state, std::size_t size) {
  bench::on_both_cpus const pinned;
  Loop loop;
  std::vector<float> numbers(size, 2.0f);
  loop(numbers.data(), size);
  float expected = 2.0f;
  step(expected);
  for (auto const each : numbers) {
    if (each != expected) return state.SkipWithError("an element was left out, or came twice");
  }
  for (auto _ : state) {
    loop(numbers.data(), size);
    benchmark::ClobberMemory();
  }
}

template <class Loop>
bench::one_case loop_of(char const* row, char const* library, std::size_t size) {
  return {row, library, [size](benchmark::State& state) { repeat<Loop>(state, size); }, bench::timing::wall};
}
