// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

bench::cases const here = bench::in_python("coro_spawn_join/one_by_one", "spawn_join");
