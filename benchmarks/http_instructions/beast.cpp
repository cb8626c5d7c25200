// SPDX-License-Identifier: BSL-1.0
#include "../support/beast_http.hpp"

#include "workload.hpp"

bench::cases const callbacks = instructions_of(bench::beast_http());
bench::cases const with_limits = instructions_of(bench::beast_limited_http());
bench::cases const coroutines = instructions_of(bench::beast_awaitable_http());
