// SPDX-License-Identifier: BSL-1.0
#include "../support/peer_pools.hpp"
#include "workload.hpp"

bench::cases const here = round_trips_to<bench::tbb_pool>("tbb");
