// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <future>

bench::cases const here = allocations_of_futures<std::promise<long>>("std");
