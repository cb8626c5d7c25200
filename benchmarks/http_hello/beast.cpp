// SPDX-License-Identifier: BSL-1.0
#include "../support/beast_http.hpp"

#include "workload.hpp"

bench::cases const callbacks = hello_with(bench::beast_http());
bench::cases const with_limits = hello_with(bench::beast_limited_http());
bench::cases const coroutines = hello_with(bench::beast_awaitable_http());
