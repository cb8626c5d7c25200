// SPDX-License-Identifier: BSL-1.0
//
// A job that returns its number is submitted to a pool of two workers, and its future is got at once: back to back, or
// each time after a millisecond in which nobody had anything to do. Back to back: elapsed time divided by the trips.
// After a pause: the median of the trips, since in a few of them the machine does something else.
#pragma once

#include "../support/jobs.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

template <class Pool>
bool trip(Pool& pool, long number) {
  auto future = pool.submit([number] { return number; });
  return future.get() == number;
}

template <class Pool>
void back_to_back(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  long number = 0;
  for (auto _ : state) {
    if (!trip(pool, ++number)) return state.SkipWithError("the result of another job");
  }
}

template <class Pool>
void after_a_pause(benchmark::State& state) {
  using namespace std::chrono;
  bench::on_both_cpus const pinned;
  Pool pool;
  std::vector<duration<double>> trips;
  auto const end = steady_clock::now() + bench::slice();
  do {
    std::this_thread::sleep_for(1ms);
    auto const start = steady_clock::now();
    if (!trip(pool, long(trips.size()))) return state.SkipWithError("the result of another job");
    trips.push_back(steady_clock::now() - start);
  } while (steady_clock::now() < end);
  auto const middle = trips.begin() + long(trips.size()) / 2;
  std::ranges::nth_element(trips, middle);
  bench::report(state, *middle);
}

template <class Pool>
bench::cases round_trips_to(char const* library) {
  return {
      {"pool_round_trip/back_to_back", library, back_to_back<Pool>, bench::timing::wall},
      {"pool_round_trip/after_1_ms_idle", library, after_a_pause<Pool>, bench::timing::own},
  };
}
