// SPDX-License-Identifier: BSL-1.0
//
// How many allocations an operation costs once the program has warmed up; nothing here is timed. Counted is every call
// of operator new, on any thread, from the submission until result and future are gone. Libraries that keep freed
// blocks for the next operation add those that the submitting thread took from there, except for `post`, which has a
// row of its own for them.
#pragma once

#include "../support/jobs.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

/// Counted by the operators in operator_new.cpp.
inline std::atomic<long> calls_of_new{0};

inline constexpr long operations = 10'000;

/// How many free blocks a library keeps that the calling thread could take. What is taken makes them fewer.
using free_blocks = long (*)();
inline long no_blocks() { return 0; }

inline void report_counter(benchmark::State& state, char const* name, long taken) {
  for (auto _ : state) state.SetIterationTime(1e-9);
  state.counters[name] = double(taken) / double(operations);
}

/// Both workers of a pool stay in a job while it is closed: what is taken meanwhile, the submitting thread takes.
class gate {
 public:
  template <class Pool>
  explicit gate(Pool& pool) {
    for (int worker = 0; worker < 2; ++worker) {
      pool.post([this] {
        arrived_.fetch_add(1);
        open_.wait(false);
        left_.fetch_add(1);
      });
    }
    while (arrived_.load() < 2) std::this_thread::yield();
  }
  ~gate() {
    open_.store(true);
    open_.notify_all();
    while (left_.load() < 2) std::this_thread::yield();
  }

 private:
  std::atomic<int> arrived_{0};
  std::atomic<bool> open_{false};
  std::atomic<int> left_{0};
};

struct counts {
  long calls = 0;
  long blocks = 0;
};

/// The median of five runs after two that warm up. `run(blocks)` adds the blocks taken.
template <class Run>
counts count_allocations(Run run) {
  std::array<long, 5> calls{};
  std::array<long, 5> blocks{};
  for (int n = -2; n < 5; ++n) {
    auto const place = std::size_t(std::max(n, 0));
    blocks[place] = 0;
    long const before = calls_of_new.load();
    run(blocks[place]);
    calls[place] = calls_of_new.load() - before;
  }
  std::ranges::sort(calls);
  std::ranges::sort(blocks);
  return {calls[2], blocks[2]};
}

template <class Pool>
void count_submits(benchmark::State& state, free_blocks free) {
  auto const job = [] { return 1L; };
  bench::on_both_cpus const pinned;
  Pool pool;
  std::vector<decltype(pool.submit(job))> futures;
  futures.reserve(operations);
  auto const found = count_allocations([&](long& blocks) {
    {
      gate const closed(pool);
      long const before = free();
      for (long n = 0; n < operations; ++n) futures.push_back(pool.submit(job));
      blocks += before - free();
    }
    for (auto& each : futures) each.get();
    futures.clear();
  });
  report_counter(state, "allocations", found.calls + found.blocks);
}

template <class Pool>
counts post_all(free_blocks free) {
  bench::on_both_cpus const pinned;
  Pool pool;
  return count_allocations([&](long& blocks) {
    long const all = bench::tally::sum() + operations;
    {
      gate const closed(pool);
      long const before = free();
      for (long n = 0; n < operations; ++n) pool.post([] { bench::tally::add(); });
      blocks += before - free();
    }
    while (bench::tally::sum() < all) std::this_thread::sleep_for(std::chrono::microseconds(50));
  });
}

template <class Promise>
void count_futures(benchmark::State& state, free_blocks free) {
  std::vector<Promise> promises;
  std::vector<decltype(promises[0].get_future())> futures;
  promises.reserve(operations);
  futures.reserve(operations);
  auto const found = count_allocations([&](long& blocks) {
    long const before = free();
    for (long n = 0; n < operations; ++n) futures.push_back(promises.emplace_back().get_future());
    blocks += before - free();
    for (auto& each : promises) each.set_value(1);
    for (auto& each : futures) each.get();
    promises.clear();
    futures.clear();
  });
  report_counter(state, "allocations", found.calls + found.blocks);
}

template <class Pool>
bench::cases allocations_of_jobs(char const* library, free_blocks free = no_blocks) {
  constexpr auto own = bench::timing::own;
  return {
      {"job_allocations/submit", library, [free](auto& state) { count_submits<Pool>(state, free); }, own},
      {"job_allocations/post", library,
       [free](auto& state) { report_counter(state, "allocations", post_all<Pool>(free).calls); }, own},
  };
}

template <class Promise>
bench::cases allocations_of_futures(char const* library, free_blocks free = no_blocks) {
  auto const count = [free](benchmark::State& state) { count_futures<Promise>(state, free); };
  return {{"job_allocations/future", library, count, bench::timing::own}};
}
