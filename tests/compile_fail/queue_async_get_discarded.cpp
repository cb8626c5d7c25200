// SPDX-License-Identifier: BSL-1.0
//
// A get that is not awaited takes nothing.
// expect: nodiscard
#include <concur/queue/queue.hpp>

void use(concur::queue<int>& items) {
#if GOOD
  [[maybe_unused]] auto const item = items.try_get();
#else
  items.async_get();
#endif
}
