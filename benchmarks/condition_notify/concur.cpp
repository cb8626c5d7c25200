// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/condition.hpp>

bench::cases const here = notify_nobody_of<concur::condition>("concur");
