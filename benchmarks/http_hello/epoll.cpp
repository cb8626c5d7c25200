// SPDX-License-Identifier: BSL-1.0
#include "../support/epoll_http.hpp"

#include "workload.hpp"

bench::cases const here = hello_with(bench::epoll_http());
