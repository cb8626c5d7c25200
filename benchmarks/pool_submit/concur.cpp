// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_pool.hpp"
#include "workload.hpp"

#include <ranges>

namespace {

// The same jobs in one call.
void submit_many_and_get_all(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  bench::concur_pool pool;
  bench::report_jobs(state, jobs, jobs, [&] {
    auto const start = std::chrono::steady_clock::now();
    {
      auto futures = pool.submit_many([](long) { bench::tally::add(); }, std::views::iota(0L, jobs));
      for (auto& each : futures) each.get();
    }
    return std::chrono::steady_clock::now() - start;
  });
}

bench::cases const one_by_one = submitting_to<bench::concur_pool>("concur");
bench::cases const at_once = {{"pool_submit/at_once", "concur", submit_many_and_get_all, bench::timing::own}};

}  // namespace
