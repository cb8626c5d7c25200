// SPDX-License-Identifier: BSL-1.0
//
// A handle that nobody keeps or uses locks nothing.
// expect: (ignoring return value|ignoring returned value|nodiscard)
#include <concur/sync/guarded.hpp>

void use(concur::guarded<int>& number) {
#if GOOD
  auto const held = number.lock();
#else
  number.lock();
#endif
}
