// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/mutex.hpp>

bench::cases const here = uncontended_pair_of<concur::mutex>("concur");
