// SPDX-License-Identifier: BSL-1.0
#include "../support/bare_loop.hpp"
#include "workload.hpp"

bench::cases const here = awaiting_on<bench::bare_loop>("floor");
