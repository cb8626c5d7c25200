// SPDX-License-Identifier: BSL-1.0
//
// Threads that lock one mutex all the time and count under it, with nothing or with about 50 ns of work of their own
// between. Time of an operation: elapsed time divided by the operations of all threads.
#pragma once

#include "../support/cases.hpp"
#include "../support/crew.hpp"

#include <array>
#include <cstdint>
#include <numeric>

struct load {
  int threads;
  int iterations_outside;
};

template <class Mutex>
void contend(benchmark::State& state, load what) {
  struct alignas(64) counter {
    Mutex mutex;
    std::uint64_t count = 0;
  } shared;
  struct alignas(64) tally {
    std::uint64_t operations = 0;
  };
  std::array<tally, 16> done;

  auto const elapsed = bench::run_crew(what.threads, bench::slice(), [&](int index, std::atomic<bool> const& stop) {
    std::uint64_t operations = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      shared.mutex.lock();
      ++shared.count;
      shared.mutex.unlock();
      ++operations;
      for (int i = 0; i < what.iterations_outside; ++i) benchmark::DoNotOptimize(i);
    }
    done[index].operations = operations;
  });

  auto const operations = std::accumulate(done.begin(), done.end(), std::uint64_t{0},
                                          [](std::uint64_t sum, tally const& each) { return sum + each.operations; });
  if (operations != shared.count) return state.SkipWithError("operations got lost: the mutex does not exclude");
  bench::report(state, elapsed / double(operations));
}

template <class Mutex>
bench::cases contention_of(char const* library) {
  auto const with = [](load what) { return [what](benchmark::State& state) { contend<Mutex>(state, what); }; };
  constexpr auto own = bench::timing::own;
  return {
      {"mutex_contended/2_threads_nothing_outside", library, with({2, 0}), own},
      {"mutex_contended/2_threads_work_outside", library, with({2, 200}), own},
      {"mutex_contended/4_threads_nothing_outside", library, with({4, 0}), own},
      {"mutex_contended/4_threads_work_outside", library, with({4, 200}), own},
  };
}
