// SPDX-License-Identifier: BSL-1.0
//
// A generator runs on the stack of its consumer, which cannot wait for anything.
// expect: a generator cannot co_await
#include <concur/coro/generator.hpp>

#include <coroutine>

concur::generator<int> numbers() {
#if GOOD
  co_yield 1;
#else
  co_await std::suspend_never();
#endif
}
