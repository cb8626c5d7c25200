// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <mutex>

bench::cases const here = uncontended_pairs_of<std::recursive_mutex>("std");
