// SPDX-License-Identifier: BSL-1.0
#include "../support/python_echo.hpp"

#include "workload.hpp"

bench::cases const protocol = idle_with(bench::python_echo("asyncio_protocol"));
bench::cases const streams = idle_with(bench::python_echo("asyncio_streams"));
bench::cases const uvloop = idle_with(bench::python_echo("uvloop_protocol"));
bench::cases const greenlets = idle_with(bench::python_echo("gevent"));
