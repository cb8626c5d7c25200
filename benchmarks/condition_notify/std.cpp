// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <condition_variable>

bench::cases const here = notify_nobody_of<std::condition_variable>("std");
