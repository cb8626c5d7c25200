// SPDX-License-Identifier: BSL-1.0
#include "../support/asio_echo.hpp"

#include "workload.hpp"

bench::cases const callbacks = idle_with(bench::asio_echo());
bench::cases const coroutines = idle_with(bench::asio_awaitable_echo());
