// SPDX-License-Identifier: BSL-1.0
//
// An awaitable that nobody awaits does nothing.
// expect: ignoring return value
#include <concur/sync/mutex.hpp>

void use(concur::mutex& lock) {
#if GOOD
  [[maybe_unused]] auto&& operation = lock.async_lock();
#else
  lock.async_lock();
#endif
}
