// SPDX-License-Identifier: BSL-1.0
//
// C06: coroutines that wait for each other's results, one after the other. It reads like plain calls.
#include <concur/concur.hpp>

#include <string>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

concur::task<std::string> result1() {
  say("result1 begins");
  co_await concur::sleep_for(1s / speed);
  co_return "result1";
}

concur::task<std::string> result2(std::string first) {
  say("result2 begins, with ", first);
  co_await concur::sleep_for(1s / speed);
  co_return "result2 made of " + first;
}

concur::task<std::pair<std::string, std::string>> chain() {
  std::string first = co_await result1();
  std::string second = co_await result2(first);
  co_return std::pair(std::move(first), std::move(second));
}

int main(int count, char** words) {
  arguments(count, words, "A coroutine that awaits two others, the second with the result of the first.");
  stopwatch watch;
  auto const [first, second] = concur::run(chain());
  say("(", first, ", ", second, ")");
  expect(first == "result1" && second == "result2 made of result1", "the pair of results, in order");
  expect(watch.seconds() >= 2, "the second one waits for the first");
}
