// SPDX-License-Identifier: BSL-1.0
//
// What Asio keeps for the next handler, one block a thread, is not counted.
#include "../support/peer_pools.hpp"
#include "workload.hpp"

bench::cases const here = allocations_of_jobs<bench::asio_pool>("asio");
