// SPDX-License-Identifier: BSL-1.0
//
// Who shares a value with other readers must not change it.
// expect: (read-only|const-qualified)
#include <concur/sync/guarded.hpp>

#include <shared_mutex>

int use(concur::guarded<int, std::shared_timed_mutex>& number) {
#if GOOD
  return *number.lock_shared();
#else
  return *number.lock_shared() = 5;
#endif
}
