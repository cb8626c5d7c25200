// SPDX-License-Identifier: BSL-1.0
#include "../support/asio_tls_echo.hpp"

#include "workload.hpp"

bench::cases const callbacks = tls_echo_with(bench::asio_tls_echo());
bench::cases const coroutines = tls_echo_with(bench::asio_awaitable_tls_echo());
