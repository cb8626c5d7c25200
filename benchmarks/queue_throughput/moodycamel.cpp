// SPDX-License-Identifier: BSL-1.0
#include "../support/peer_queues.hpp"
#include "workload.hpp"

bench::cases const here = throughput_of<bench::moodycamel_queue>("queue_throughput", "moodycamel");
