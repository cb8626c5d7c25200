// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/mutex.h>

bench::cases const here = uncontended_pair_of<tbb::mutex>("tbb");
