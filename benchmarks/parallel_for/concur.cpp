// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/pool/parallel_for.hpp>
#include <concur/pool/thread_pool.hpp>

namespace {

struct two_threads {
  concur::thread_pool mutable pool{2};  // the calling thread takes the place of a worker
};

struct automatic : two_threads {
  void operator()(float* numbers, std::size_t size) const {
    concur::parallel_for(pool, std::size_t(0), size, [numbers](std::size_t i) { step(numbers[i]); });
  }
};

struct in_two : two_threads {
  void operator()(float* numbers, std::size_t size) const {
    concur::parallel_for(
        pool, std::size_t(0), size, [numbers](std::size_t i) { step(numbers[i]); }, concur::grain(size / 2));
  }
};

bench::cases const here = {
    loop_of<automatic>("parallel_for/ten_million", "concur", many),
    loop_of<automatic>("parallel_for/thousand", "concur", few),
    loop_of<in_two>("parallel_for/thousand_in_two", "concur", few),
};

}  // namespace
