// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/rw_mutex.h>

bench::cases const here = contention_of<tbb::rw_mutex>("tbb");
