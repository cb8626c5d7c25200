// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

namespace {

auto sum_serially(int times, long numbers) {
  return [=] {
    long all = 0;
    for (int n = 0; n < times; ++n) all += sum_to(numbers);
    return all == times * right_sum(numbers);
  };
}

bench::cases const here = {
    bench::whole_work(twenty_sums, "serial", sum_serially(sums, numbers_of_twenty)),
    bench::whole_work(three_sums, "serial", sum_serially(3, numbers_of_three)),
};

}  // namespace
