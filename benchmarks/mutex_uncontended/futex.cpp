// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../support/futex_mutex.hpp"

bench::cases const here = uncontended_pair_of<bench::futex_mutex>("futex");
