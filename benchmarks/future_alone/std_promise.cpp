// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <future>

bench::cases const here = futures_of("std_promise", [](auto work) {
  std::promise<long> promise;
  auto future = promise.get_future();
  promise.set_value(work());
  return future.get();
});
