// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <thread>

namespace {

bool wait_twenty_times() {
  for (int n = 0; n < waits; ++n) std::this_thread::sleep_for(one_wait);
  return true;
}

bool wait_twice() {
  std::this_thread::sleep_for(short_wait);
  std::this_thread::sleep_for(long_wait);
  return true;
}

bench::cases const here = {
    bench::whole_work(twenty_waits, "serial", wait_twenty_times),
    bench::whole_work(two_spiders, "serial", wait_twice),
};

}  // namespace
