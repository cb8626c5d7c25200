// SPDX-License-Identifier: BSL-1.0
#include "../mutex_uncontended/workload.hpp"

#include <concur/sync/mutex.hpp>

// The yardstick of the row.
bench::cases const here = {{"queue_uncontended/pair", "concur_mutex", uncontended_pair<concur::mutex>}};
