// SPDX-License-Identifier: BSL-1.0
#include "../support/peer_pools.hpp"
#include "workload.hpp"

bench::cases const here = posting_to<bench::asio_pool>("asio");
