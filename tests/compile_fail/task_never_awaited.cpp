// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that nobody awaits never runs.
// expect: nodiscard
#include <concur/coro/task.hpp>

concur::task<> greet();

concur::task<> speaks() {
#if GOOD
  co_await greet();
#else
  greet();
  co_return;
#endif
}
