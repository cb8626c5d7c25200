// SPDX-License-Identifier: BSL-1.0
//
// A million jobs that do nothing are posted to a pool of two workers by a third thread, which then waits until all have
// run. Time of a job: elapsed time until that is known, divided by the jobs.
#pragma once

#include "../support/jobs.hpp"

#include <chrono>
#include <optional>

inline constexpr long jobs = 1'000'000;

struct empty_job {
  void operator()() const { bench::tally::add(); }
};

template <class Pool>
void post_and_wait(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  std::optional<Pool> pool;
  bench::report_jobs(state, jobs, jobs, [&] {
    if (Pool::waits_once || !pool) pool.emplace();
    long const all = bench::tally::sum() + jobs;
    auto const start = std::chrono::steady_clock::now();
    for (long n = 0; n < jobs; ++n) pool->post(empty_job());
    pool->wait_for(all);
    return std::chrono::steady_clock::now() - start;
  });
}

template <class Pool>
bench::cases posting_to(char const* library) {
  return {{"pool_post/empty_jobs", library, post_and_wait<Pool>, bench::timing::own}};
}
