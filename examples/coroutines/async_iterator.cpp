// SPDX-License-Identifier: BSL-1.0
//
// C15: a reader that gives 1 to 99, and may wait before each of them. In Python a type with __aiter__ and __anext__;
// here, as there since 3.6, a coroutine that yields.
#include <concur/concur.hpp>

#include "tutorial.hpp"

using namespace tutorial;

concur::async_generator<int> reader() {
  for (int line = 1; line < 100; ++line) {
    co_await concur::sleep_for(20ms / speed);  // for the line to arrive
    co_yield line;
  }
}

concur::task<int> read_all() {
  int lines = 0;
  auto all = reader();
  while (auto line = co_await all.next()) {  // Python's `async for`; nothing at the end
    say(*line);
    expect(*line == ++lines, "the lines come in order");
  }
  co_return lines;
}

int main(int count, char** words) {
  arguments(count, words, "Reads 99 items from a reader that waits before each.");
  int const lines = concur::run(read_all());
  expect(lines == 99, "99 items");
}
