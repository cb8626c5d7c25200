// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_loop.hpp"
#include "workload.hpp"

bench::cases const here = running_on<bench::concur_loop>("concur");
