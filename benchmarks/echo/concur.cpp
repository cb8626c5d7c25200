// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_echo.hpp"

#include "workload.hpp"

bench::cases const sleeping = echo_with(bench::concur_echo());
bench::cases const busy = busy_echo_with(bench::concur_busy_echo(), "concur");
