// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

namespace {

struct plain {
  void operator()(float* numbers, std::size_t size) const {
    for (std::size_t i = 0; i != size; ++i) step(numbers[i]);
  }
};

bench::cases const here = {
    loop_of<plain>("parallel_for/ten_million", "serial", many),
    loop_of<plain>("parallel_for/thousand", "serial", few),
};

}  // namespace
