// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

bench::cases const here = bench::in_python("coro_await/trivial", "await");
