// SPDX-License-Identifier: BSL-1.0
//
// Whoever drops the answer of try_lock() does not know whether it holds the lock.
// expect: try_lock.*(nodiscard|unused-result)|(nodiscard|unused-result).*try_lock|ignoring return value.*try_lock
#include <concur/sync/mutex.hpp>

void use(concur::mutex& lock) {
#if GOOD
  if (lock.try_lock()) lock.unlock();
#else
  lock.try_lock();
#endif
}
