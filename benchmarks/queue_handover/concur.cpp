// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_queue.hpp"
#include "workload.hpp"

bench::cases const here = handover_of<bench::concur_queue>("concur");
