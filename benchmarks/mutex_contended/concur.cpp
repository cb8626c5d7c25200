// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/mutex.hpp>

bench::cases const here = contention_of<concur::mutex>("concur");
