// SPDX-License-Identifier: BSL-1.0
#include "../support/epoll_http.hpp"

#include "workload.hpp"

bench::cases const here = instructions_of(bench::epoll_http());
