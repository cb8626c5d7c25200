// SPDX-License-Identifier: BSL-1.0
//
// Whoever drops the answer of a wait with a limit does not know whether the latch was open.
// expect: (ignoring return value|nodiscard)
#include <concur/sync/latch.hpp>

#include <chrono>

bool use(concur::latch& loaded) {
#if GOOD
  return loaded.wait_for(std::chrono::seconds(1));
#else
  loaded.wait_for(std::chrono::seconds(1));
  return true;
#endif
}
