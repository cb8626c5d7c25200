// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_files.hpp"

#include "workload.hpp"

bench::cases const here = transfers_with<bench::concur_files>("concur");
