// SPDX-License-Identifier: BSL-1.0
//
// A coroutine in another file, for chains through several.
#pragma once

#include <concur/coro/task.hpp>
#include <concur/sync/event.hpp>

namespace test_chain {

constexpr unsigned outermost_line = __LINE__ + 3;
inline concur::task<> outermost(concur::task<int> (*inner)(concur::event&), concur::event& e) {
  int result = 0;
  result += co_await inner(e);
  static_cast<void>(result);
}

}  // namespace test_chain
