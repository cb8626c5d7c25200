// SPDX-License-Identifier: BSL-1.0
#include "../support/peer_queues.hpp"
#include "workload.hpp"

bench::cases const here = pair_of<bench::moodycamel_queue>("moodycamel");
