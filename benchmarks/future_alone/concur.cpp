// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/future/future.hpp>
#include <concur/future/promise.hpp>

bench::cases const here = futures_of("concur", [](auto work) {
  concur::promise<long> promise;
  auto future = promise.get_future();
  promise.set_value(work());
  return future.get();
});
