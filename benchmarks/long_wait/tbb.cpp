// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/mutex.h>

bench::cases const here = long_wait_for<mutex_gate<tbb::mutex>>("mutex", "tbb");
