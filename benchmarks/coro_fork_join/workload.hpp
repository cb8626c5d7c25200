// SPDX-License-Identifier: BSL-1.0
//
// Two recursions that fork at every step, on two threads, with next to nothing to do in a step: fib, which forks in
// two, and the skynet, which forks in ten and adds up the numbers of its million leaves. By coroutines that await what
// they fork, and by functions. Time of a whole run.
//
// A `Pool` has `fib(int)` and `skynet(first, leaves)`.
#pragma once

#include "../support/jobs.hpp"

#include <array>
#include <cstddef>
#include <utility>

inline constexpr int branches = 10;
inline constexpr long leaves_of_skynet = 1'000'000;

template <class Pool>
void run_fib(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  for (auto _ : state) {
    if (pool.fib(25) != 75'025) return state.SkipWithError("not the Fibonacci number");
  }
}

template <class Pool>
void run_skynet(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  Pool pool;
  for (auto _ : state) {
    long const sum = pool.skynet(0, leaves_of_skynet);
    if (sum != leaves_of_skynet * (leaves_of_skynet - 1) / 2) return state.SkipWithError("a wrong sum");
  }
}

/// Both recursions by functions. `Fork` has `run(root)`, which calls it on one of the two threads, and `fork(f…)`,
/// which calls all in parallel.
template <class Fork>
class by_functions {
 public:
  long fib(int n) {
    return pool_.run([this, n] { return fib_of(n); });
  }
  long skynet(long first, long leaves) {
    return pool_.run([this, first, leaves] { return sum_of(first, leaves); });
  }

 private:
  long fib_of(int n) {
    if (n < 2) return n;
    long before = 0;
    long last = 0;
    pool_.fork([&] { before = fib_of(n - 2); }, [&] { last = fib_of(n - 1); });
    return before + last;
  }

  long sum_of(long first, long leaves) {
    if (leaves == 1) return first;
    std::array<long, branches> sums{};
    long const each = leaves / branches;
    [&]<std::size_t... Branch>(std::index_sequence<Branch...>) {
      pool_.fork([&] { sums[Branch] = sum_of(first + long(Branch) * each, each); }...);
    }(std::make_index_sequence<branches>());
    long sum = 0;
    for (long const branch : sums) sum += branch;
    return sum;
  }

  Fork pool_;
};

template <class Pool>
bench::cases trees_on(char const* library) {
  constexpr auto wall = bench::timing::wall;
  return {
      {"coro_fork_join/fib_25", library, run_fib<Pool>, wall},
      {"coro_fork_join/skynet", library, run_skynet<Pool>, wall},
  };
}
