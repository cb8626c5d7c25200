// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/shared_mutex.hpp>

bench::cases const here = contention_of<concur::shared_mutex>("concur");
