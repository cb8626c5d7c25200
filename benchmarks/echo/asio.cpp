// SPDX-License-Identifier: BSL-1.0
#include "../support/asio_echo.hpp"

#include "workload.hpp"

bench::cases const callbacks = echo_with(bench::asio_echo());
bench::cases const without_locks = echo_with(bench::asio_without_locks_echo());
bench::cases const coroutines = echo_with(bench::asio_awaitable_echo());
