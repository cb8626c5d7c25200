// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_echo.hpp"

#include "workload.hpp"

bench::cases const here = instructions_of(bench::concur_echo(), "_io_uring", "concur");
