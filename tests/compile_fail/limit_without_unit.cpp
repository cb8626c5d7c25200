// SPDX-License-Identifier: BSL-1.0
//
// A time limit has a unit.
// expect: no matching (member )?function for call to .*try_lock_for
#include <concur/sync/mutex.hpp>

#include <chrono>

bool use(concur::mutex& lock) {
#if GOOD
  return lock.try_lock_for(std::chrono::milliseconds(5));
#else
  return lock.try_lock_for(5);
#endif
}
