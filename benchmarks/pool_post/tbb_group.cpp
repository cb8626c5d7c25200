// SPDX-License-Identifier: BSL-1.0
//
// A task_group does not post to others: the thread that waits runs jobs itself. Two threads in all.
#include "workload.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

namespace {

void run_and_wait(benchmark::State& state) {
  bench::on_both_cpus const pinned;
  oneapi::tbb::global_control const limit(oneapi::tbb::global_control::max_allowed_parallelism, 2);
  oneapi::tbb::task_arena arena(2);
  bench::report_jobs(state, jobs, jobs, [&] {
    auto const start = std::chrono::steady_clock::now();
    arena.execute([] {
      oneapi::tbb::task_group group;
      for (long n = 0; n < jobs; ++n) group.run(empty_job());
      group.wait();
    });
    return std::chrono::steady_clock::now() - start;
  });
}

bench::cases const here = {{"pool_post/empty_jobs", "tbb_group", run_and_wait, bench::timing::own}};

}  // namespace
