// SPDX-License-Identifier: BSL-1.0
//
// Threads that read a small table under a shared lock, and write it now and then under an exclusive one, with about 50
// ns of work of their own between. Time of an operation: elapsed time divided by the operations of all threads.
#pragma once

#include "../support/cases.hpp"
#include "../support/crew.hpp"

#include <array>
#include <cstdint>
#include <numeric>

struct load {
  int threads;
  unsigned reads_per_write;
};

template <class Mutex>
void contend(benchmark::State& state, load what) {
  struct alignas(64) table {
    Mutex mutex;
    std::array<std::uint64_t, 8> entries{};  // equal, whoever looks
  } shared;
  struct alignas(64) tally {
    std::uint64_t operations = 0;
    std::uint64_t writes = 0;
    bool torn = false;
  };
  std::array<tally, 16> done;

  auto const elapsed = bench::run_crew(what.threads, bench::slice(), [&](int index, std::atomic<bool> const& stop) {
    tally mine;
    while (!stop.load(std::memory_order_relaxed)) {
      if (++mine.operations % (what.reads_per_write + 1) == 0) {
        shared.mutex.lock();
        for (auto& each : shared.entries) ++each;
        shared.mutex.unlock();
        ++mine.writes;
      } else {
        shared.mutex.lock_shared();
        mine.torn |= shared.entries.front() != shared.entries.back();
        shared.mutex.unlock_shared();
      }
      for (int i = 0; i < 200; ++i) benchmark::DoNotOptimize(i);
    }
    done[index] = mine;
  });

  tally sum;
  for (auto const& each : done) {
    sum.operations += each.operations;
    sum.writes += each.writes;
    sum.torn |= each.torn;
  }
  if (sum.torn || sum.writes != shared.entries.front()) return state.SkipWithError("the lock does not exclude");
  bench::report(state, elapsed / double(sum.operations));
}

template <class Mutex>
bench::cases contention_of(char const* library) {
  auto const with = [](load what) { return [what](benchmark::State& state) { contend<Mutex>(state, what); }; };
  constexpr auto own = bench::timing::own;
  return {
      {"shared_mutex_contended/2_threads_mostly_reading", library, with({2, 99}), own},
      {"shared_mutex_contended/2_threads_often_writing", library, with({2, 4}), own},
      {"shared_mutex_contended/4_threads_mostly_reading", library, with({4, 99}), own},
      {"shared_mutex_contended/4_threads_often_writing", library, with({4, 4}), own},
  };
}
