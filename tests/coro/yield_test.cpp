// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/yield.hpp>

#include <concur/coro/spawn.hpp>

#include "../support/test_task.hpp"
#include "coro_support.hpp"

#include <string>
#include <vector>

namespace {

using concur::spawn;
using concur::task;
using support::hand_loop;

task<> letters(std::string& log, char what, int times) {
  for (int i = 0; i < times; ++i) {
    log.push_back(what);
    co_await concur::yield();
  }
}

task<> nested_letters(std::string& log, char what, int times) {
  for (int i = 0; i < times; ++i) co_await letters(log, what, 1);
}

}  // namespace

TEST_CASE("yield: tasks take turns, however deep they stand", "[yield][in_order]") {
  hand_loop here;
  std::string log;
  auto a = spawn(here, letters(log, 'a', 3));
  auto b = spawn(here, nested_letters(log, 'b', 3));
  auto c = spawn(here, letters(log, 'c', 2));
  here.run_all();
  CHECK(log == "abcabcab");
  a.get();
  b.get();
  c.get();
}

TEST_CASE("yield: it is refused in a task that is cancelled, and a cancel waits for the next one", "[yield]") {
  hand_loop here;
  std::string log;
  auto f = spawn(here, letters(log, 'x', 1'000'000));
  for (int i = 0; i < 3; ++i) here.run_one();
  CHECK(f.cancel());
  here.run_all();
  CHECK(log == "xxxx");  // it was ready when the cancel came
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("yield: a coroutine of another type may await it if its promise has a context", "[yield]") {
  static auto const twice = [](int& steps) -> support::test_task<> {
    for (int i = 0; i < 2; ++i) {
      ++steps;
      co_await concur::yield();
    }
  };
  support::queue_executor here;
  int steps = 0;
  auto const root = support::spawn(here, twice(steps));
  CHECK(here.run_ready() == 1);
  CHECK(steps == 1);
  here.run_all();
  CHECK(steps == 2);
  CHECK(root->done());
}
