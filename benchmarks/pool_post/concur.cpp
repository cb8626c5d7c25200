// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_pool.hpp"
#include "workload.hpp"

bench::cases const here = posting_to<bench::concur_pool>("concur");
