// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_echo.hpp"

#include "workload.hpp"

bench::cases const here = echo_with(bench::concur_echo(), "_io_uring", "concur");
