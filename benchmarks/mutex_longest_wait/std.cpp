// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <mutex>

bench::cases const here = longest_wait_of<std::mutex>("std");
