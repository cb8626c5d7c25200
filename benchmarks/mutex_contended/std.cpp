// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <mutex>

bench::cases const here = contention_of<std::mutex>("std");
