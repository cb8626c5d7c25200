// SPDX-License-Identifier: BSL-1.0
#include "../support/epoll_echo.hpp"

#include "workload.hpp"

bench::cases const sleeping = echo_with(bench::epoll_echo());
bench::cases const busy = busy_echo_with(bench::epoll_busy_echo(), "epoll");
