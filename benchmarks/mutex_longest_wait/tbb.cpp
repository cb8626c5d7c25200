// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/mutex.h>

bench::cases const here = longest_wait_of<tbb::mutex>("tbb");
