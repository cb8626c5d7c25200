// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../support/posix_semaphore.hpp"

bench::cases const here = long_wait_for<semaphore_gate<bench::posix_semaphore>>("semaphore", "posix");
