// SPDX-License-Identifier: BSL-1.0
//
// A task runs once: who awaits one by its name gives it away.
// expect: a task that has a name is moved
#include <concur/coro/task.hpp>

#include <utility>

concur::task<> greet();

concur::task<> speaks() {
  auto greeting = greet();
#if GOOD
  co_await std::move(greeting);
#else
  co_await greeting;
  co_await greeting;
#endif
}
