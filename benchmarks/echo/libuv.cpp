// SPDX-License-Identifier: BSL-1.0
#include "../support/libuv_echo.hpp"

#include "workload.hpp"

bench::cases const here = echo_with(bench::libuv_echo());
