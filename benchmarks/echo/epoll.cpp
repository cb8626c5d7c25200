// SPDX-License-Identifier: BSL-1.0
#include "../support/epoll_echo.hpp"

#include "workload.hpp"

bench::cases const here = echo_with(bench::epoll_echo());
