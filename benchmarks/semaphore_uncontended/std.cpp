// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <semaphore>

bench::cases const here = acquire_and_release_of<std::counting_semaphore<>>("std");
