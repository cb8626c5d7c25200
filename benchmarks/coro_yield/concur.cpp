// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_loop.hpp"
#include "workload.hpp"

bench::cases const here = yielding_on<bench::concur_loop>("concur");
