// SPDX-License-Identifier: BSL-1.0
//
// Readers can share a value only if its mutex can be shared.
// expect: (no matching function|constraints not satisfied|invalid reference to function|not satisfied)
#include <concur/sync/guarded.hpp>

int use(concur::guarded<int>& number) {
#if GOOD
  return *number.lock();
#else
  return *number.lock_shared();
#endif
}
