// SPDX-License-Identifier: BSL-1.0
#include "../support/asio_loop.hpp"
#include "workload.hpp"

bench::cases const here = running_on<bench::asio_loop>("asio");
