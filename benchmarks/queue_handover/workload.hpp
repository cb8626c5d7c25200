// SPDX-License-Identifier: BSL-1.0
//
// Two threads that take turns: a number goes there by one queue and comes back by another. Time: one round trip.
// Placements as in the workload `handover`.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"

#include <thread>

template <template <class> class Queue>
void ping_pong(benchmark::State& state, int cpu_of_partner) {
  Queue<int> there(16), back(16);
  std::jthread const partner([&] {
    bench::pin_to(cpu_of_partner);
    typename Queue<int>::consumer in(there);
    typename Queue<int>::producer out(back);
    for (int n = 0; (n = in.get()) >= 0;) out.put(n);
  });
  typename Queue<int>::producer out(there);
  typename Queue<int>::consumer in(back);
  int n = 0;
  out.put(n);
  bool right = in.get() == n;  // the partner has started when it has come back
  for (auto _ : state) {
    out.put(++n);
    right &= in.get() == n;
  }
  out.put(-1);
  if (!right) state.SkipWithError("the wrong number came back");
}

template <template <class> class Queue>
bench::cases handover_of(char const* library) {
  auto const across = [](benchmark::State& state) { ping_pong<Queue>(state, bench::cpus().second); };
  auto const on_one = [](benchmark::State& state) { ping_pong<Queue>(state, bench::cpus().first); };
  return {{"queue_handover/across_cores", library, across, bench::timing::wall},
          {"queue_handover/one_core", library, on_one, bench::timing::wall}};
}
