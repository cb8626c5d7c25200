// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/rw_mutex.h>

bench::cases const here = uncontended_pairs_of<tbb::rw_mutex>("tbb");
