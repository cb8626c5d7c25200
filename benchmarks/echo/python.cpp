// SPDX-License-Identifier: BSL-1.0
#include "../support/python_echo.hpp"

#include "workload.hpp"

bench::cases const protocol = echo_with(bench::python_echo("asyncio_protocol"));
bench::cases const streams = echo_with(bench::python_echo("asyncio_streams"));
bench::cases const uvloop = echo_with(bench::python_echo("uvloop_protocol"));
bench::cases const greenlets = echo_with(bench::python_echo("gevent"));
