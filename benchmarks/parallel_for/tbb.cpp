// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>

namespace {

using range = oneapi::tbb::blocked_range<std::size_t>;

struct two_threads {
  oneapi::tbb::global_control limit{oneapi::tbb::global_control::max_allowed_parallelism, 2};
};

auto over(float* numbers) {
  return [numbers](range const& part) {
    for (std::size_t i = part.begin(); i != part.end(); ++i) step(numbers[i]);
  };
}

struct automatic : two_threads {
  void operator()(float* numbers, std::size_t size) const { oneapi::tbb::parallel_for(range(0, size), over(numbers)); }
};

struct in_two : two_threads {
  void operator()(float* numbers, std::size_t size) const {
    oneapi::tbb::parallel_for(range(0, size, size / 2), over(numbers), oneapi::tbb::simple_partitioner());
  }
};

bench::cases const here = {
    loop_of<automatic>("parallel_for/ten_million", "tbb", many),
    loop_of<automatic>("parallel_for/thousand", "tbb", few),
    loop_of<in_two>("parallel_for/thousand_in_two", "tbb", few),
};

}  // namespace
