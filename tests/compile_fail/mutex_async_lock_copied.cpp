// SPDX-License-Identifier: BSL-1.0
//
// An awaiter is a node of a list: it must not be copied (GCC 12 would, if it could).
// expect: deleted
#include <concur/sync/mutex.hpp>

void use(concur::mutex& lock) {
  auto&& operation = lock.async_lock();
#if GOOD
  auto& same = operation;
#else
  auto same = operation;
#endif
  static_cast<void>(same);
}
