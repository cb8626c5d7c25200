// SPDX-License-Identifier: BSL-1.0
#include "../support/io_uring_echo.hpp"

#include "workload.hpp"

bench::cases const going_on = idle_with(bench::io_uring_echo());
bench::cases const plain = idle_with(bench::io_uring_plain_echo());
