// SPDX-License-Identifier: BSL-1.0
//
// How many threads can run at the same time: what a pool should be made with.
//
//     concur::thread_pool pool(concur::cpu_count());
#pragma once

#include <concur/thread/detail/cgroup.hpp>
#include <concur/thread/detail/processor_set.hpp>

#include <algorithm>
#include <cmath>

namespace concur::inline CONCUR_ABI {

/// The processors that the calling thread may run on, but not more than the control groups of the process (containers)
/// give it time for, rounded up. At least 1. Asks the system each time, some 50 microseconds. Any thread. Throws
/// std::bad_alloc.
inline int cpu_count() {
  auto const allowed = detail::processor_set::of_this_thread().numbers().size();
  double const limit = std::ceil(detail::cgroup_processors("/proc/self/cgroup", "/sys/fs/cgroup"));
  return std::max(1, static_cast<int>(std::min(double(allowed), limit)));
}

}  // namespace concur::inline CONCUR_ABI
