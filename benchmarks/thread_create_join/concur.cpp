// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/thread/thread.hpp>

bench::cases const here = creation_of<concur::thread>("concur");
