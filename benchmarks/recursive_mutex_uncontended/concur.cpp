// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/recursive_mutex.hpp>

bench::cases const here = uncontended_pairs_of<concur::recursive_mutex>("concur");
