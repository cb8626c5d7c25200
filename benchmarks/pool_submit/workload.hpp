// SPDX-License-Identifier: BSL-1.0
//
// A million jobs that do nothing are submitted to a pool of two workers by a third thread, which keeps all the futures,
// then gets and drops them. Time of a job: elapsed time until that is done, divided by the jobs.
#pragma once

#include "../support/jobs.hpp"

#include <chrono>
#include <utility>
#include <vector>

inline constexpr long jobs = 1'000'000;

template <class Pool>
void submit_and_get_all(benchmark::State& state) {
  auto const job = [] { bench::tally::add(); };
  bench::on_both_cpus const pinned;
  Pool pool;
  std::vector<decltype(pool.submit(job))> futures;
  futures.reserve(jobs);
  bench::report_jobs(state, jobs, jobs, [&] {
    auto const start = std::chrono::steady_clock::now();
    for (long n = 0; n < jobs; ++n) futures.push_back(pool.submit(job));
    for (auto& each : futures) each.get();
    futures.clear();
    return std::chrono::steady_clock::now() - start;
  });
}

template <class Pool>
bench::cases submitting_to(char const* library) {
  return {{"pool_submit/empty_jobs", library, submit_and_get_all<Pool>, bench::timing::own}};
}
