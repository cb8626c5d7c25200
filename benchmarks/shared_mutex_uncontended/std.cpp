// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <shared_mutex>

bench::cases const here = uncontended_pairs_of<std::shared_mutex>("std");
