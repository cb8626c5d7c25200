// SPDX-License-Identifier: BSL-1.0
#include "../support/asio_echo.hpp"

#include "workload.hpp"

bench::cases const callbacks = instructions_of(bench::asio_echo());
bench::cases const without_locks = instructions_of(bench::asio_without_locks_echo());
bench::cases const coroutines = instructions_of(bench::asio_awaitable_echo());
