// SPDX-License-Identifier: BSL-1.0
#include "../support/io_uring_echo.hpp"

#include "workload.hpp"

bench::cases const going_on = echo_with(bench::io_uring_echo(), "_io_uring");
bench::cases const plain = echo_with(bench::io_uring_plain_echo(), "_io_uring");
