// SPDX-License-Identifier: BSL-1.0
//
// Puts a number in and takes it out, by the only thread that uses the queue.
#pragma once

#include "../support/cases.hpp"

template <template <class> class Queue>
void put_and_get(benchmark::State& state) {
  Queue<int> queue(1024);
  typename Queue<int>::producer out(queue);
  typename Queue<int>::consumer in(queue);
  int n = 0;
  bool right = true;
  for (auto _ : state) {
    out.put(++n);
    right &= in.get() == n;
  }
  if (!right) state.SkipWithError("the wrong number came out");
}

template <template <class> class Queue>
bench::cases pair_of(char const* library) {
  return {{"queue_uncontended/pair", library, put_and_get<Queue>}};
}
