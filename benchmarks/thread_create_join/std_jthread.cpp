// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <thread>

bench::cases const here = creation_of<std::jthread>("std_jthread");
