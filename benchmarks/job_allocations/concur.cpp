// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_pool.hpp"
#include "workload.hpp"

#include <concur/core/frame_recycler.hpp>
#include <concur/future/promise.hpp>

#include <cstddef>

namespace {

// Of all sizes, on the lists of this thread and in the depot.
long blocks() {
  using recycler = concur::process_wide::recycled_frames;
  std::size_t all = 0;
  for (std::size_t size = 0; size <= recycler::largest; size += 16) {
    all += recycler::held_by_this_thread(size) + recycler::held_by_depot(size);
  }
  return long(all);
}

void count_recycled_posts(benchmark::State& state) {
  report_counter(state, "blocks", post_all<bench::concur_pool>(blocks).blocks);
}

bench::cases const jobs = allocations_of_jobs<bench::concur_pool>("concur", blocks);
bench::cases const futures = allocations_of_futures<concur::promise<long>>("concur", blocks);
bench::cases const recycled = {{"job_allocations/post_blocks", "concur", count_recycled_posts, bench::timing::own}};

}  // namespace
