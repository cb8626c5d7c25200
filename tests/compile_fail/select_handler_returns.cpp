// SPDX-License-Identifier: BSL-1.0
//
// A handler of a select that returns something would have it dropped: a task that is never awaited, most likely.
// expect: the handler of a select returns nothing
#include <concur/queue/queue.hpp>
#include <concur/queue/select.hpp>

int twice(int number);

void use(concur::queue<int>& numbers) {
#if GOOD
  concur::select(concur::on_get(numbers, [](int number) { twice(number); }));
#else
  concur::select(concur::on_get(numbers, [](int number) { return twice(number); }));
#endif
}
