// SPDX-License-Identifier: BSL-1.0
//
// A mutex stays where it is: its waiters know its address.
// expect: deleted
#include <concur/sync/mutex.hpp>

#include <type_traits>

void use(concur::mutex& lock) {
#if GOOD
  concur::mutex& same = lock;
#else
  concur::mutex same = lock;
#endif
  static_cast<void>(same);
}
