// SPDX-License-Identifier: BSL-1.0
//
// A select that is not awaited does nothing.
// expect: nodiscard
#include <concur/queue/queue.hpp>
#include <concur/queue/select.hpp>

void use(concur::queue<int>& numbers) {
  auto const number = concur::on_get(numbers, [](int) {});
#if GOOD
  concur::select(number);
#else
  concur::async_select(number);
#endif
}
