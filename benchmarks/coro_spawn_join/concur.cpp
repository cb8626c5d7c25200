// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_loop.hpp"
#include "workload.hpp"

#include <vector>

namespace {

class loop_with_futures : public bench::concur_loop {
 public:
  template <class Make>
  task<long> spawn_all(Make make) {
    long sum = 0;
    for (int n = 0; n < crowd; ++n) running_.push_back(concur::spawn(make(1)));
    for (auto& each : running_) sum += co_await each;
    running_.clear();
    co_return sum;
  }

 private:
  std::vector<concur::future<long>> running_;
};

bench::cases const one = spawning_one_on<bench::concur_loop>("concur");
bench::cases const hundred = spawning_a_hundred_on<loop_with_futures>("concur");

}  // namespace
