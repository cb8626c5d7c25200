// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <future>

bench::cases const here = futures_of("std_packaged_task", [](auto work) {
  std::packaged_task<long()> task(work);
  auto future = task.get_future();
  task();
  return future.get();
});
