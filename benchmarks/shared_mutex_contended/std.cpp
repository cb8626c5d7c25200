// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <shared_mutex>

bench::cases const here = contention_of<std::shared_mutex>("std");
