// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../support/posix_semaphore.hpp"

bench::cases const here = acquire_and_release_of<bench::posix_semaphore>("posix");
