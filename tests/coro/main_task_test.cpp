// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/main_task.hpp>

#include <concur/core/errors.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>

#include "coro_support.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using concur::main_task;
using concur::owned_coroutine;
using concur::task;
using concur::task_origin;
using support::hand_loop;
using support::noting;

template <class T>
typename main_task<T>::owner make(hand_loop& here, task<T> body) {
  static concur::main_task_room room;
  return main_task<T>::make(room, here, owned_coroutine<T>(std::move(body)), task_origin());
}

template <class T>
void begin(hand_loop& here, main_task<T>& body) {
  body.enter();
  here.post(body);
}

template <class T>
T run(hand_loop& here, task<T> body) {
  auto const mine = make(here, std::move(body));
  begin(here, *mine);
  CHECK_FALSE(mine->has_ended());
  here.run_all();
  REQUIRE(mine->has_ended());
  return mine->take();
}

task<> wait_for(concur::event& e, noting) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await e.async_wait();
}

}  // namespace

TEST_CASE("main_task: gives what its coroutine returns, of any kind", "[main_task]") {
  static auto const by_reference = [](int& given) -> task<int&> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await concur::yield();
    co_return given;
  };
  static auto const by_pointer = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  static auto const nothing = [](bool& ran) -> task<> {
    ran = true;
    co_return;
  };
  static auto const fails = []() -> task<int> {
    throw std::runtime_error("no luck");
    co_return 0;
  };
  hand_loop here;
  int number = 5;
  CHECK(&run(here, by_reference(number)) == &number);
  CHECK(*run(here, by_pointer()) == 3);
  bool ran = false;
  run(here, nothing(ran));
  CHECK(ran);
  CHECK_THROWS_WITH(run(here, fails()), "no luck");
  CHECK(here.tasks().empty());
}

TEST_CASE("main_task: a cancel before it begins means that it never does", "[main_task]") {
  hand_loop here;
  concur::event e;
  std::vector<std::string> gone;
  {
    auto const mine = make(here, wait_for(e, noting(gone, "argument")));
    begin(here, *mine);
    mine->cancel();
    here.run_all();
    REQUIRE(mine->has_ended());
    CHECK(here.tasks().empty());
    CHECK_THROWS_AS(mine->take(), concur::cancelled);
    mine->cancel();  // too late: nothing happens
  }
  CHECK(gone == std::vector<std::string>{"argument"});
}

TEST_CASE("main_task: a cancel ends its wait, and the arguments live until it is let go", "[main_task]") {
  hand_loop here;
  concur::event e;
  std::vector<std::string> gone;
  {
    auto const mine = make(here, wait_for(e, noting(gone, "argument")));
    begin(here, *mine);
    here.run_all();
    CHECK_FALSE(mine->has_ended());
    mine->cancel();
    here.run_all();
    REQUIRE(mine->has_ended());
    CHECK(gone.empty());
    CHECK_THROWS_AS(mine->take(), concur::cancelled);
  }
  CHECK(gone == std::vector<std::string>{"argument"});
}

TEST_CASE("main_task: let go before its end it destroys itself then, or at once if it was never begun", "[main_task]") {
  hand_loop here;
  concur::event e;
  std::vector<std::string> gone;
  {
    auto const mine = make(here, wait_for(e, noting(gone, "argument")));
    begin(here, *mine);
    here.run_all();
  }
  CHECK(gone.empty());
  CHECK_FALSE(here.tasks().empty());
  e.set();
  here.run_all();
  CHECK(gone == std::vector<std::string>{"argument"});
  CHECK(here.tasks().empty());

  std::vector<std::string> never_begun;
  make(here, wait_for(e, noting(never_begun, "argument"))).reset();
  CHECK(never_begun == std::vector<std::string>{"argument"});
}

TEST_CASE("main_task: several at once have places of their own, and the room is free again afterwards", "[main_task]") {
  static auto const give = [](int n) -> task<int> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await concur::yield();
    co_return n;
  };
  hand_loop here;
  for (int round = 0; round < 3; ++round) {
    auto const first = make(here, give(1));
    auto const second = make(here, give(2));
    REQUIRE(first.get() != second.get());
    begin(here, *first);
    begin(here, *second);
    here.run_all();
    CHECK(first->take() == 1);
    CHECK(second->take() == 2);
  }
}

TEST_CASE("main_task: run at once it goes as far as its first wait, or not at all if it was cancelled", "[main_task]") {
  hand_loop here;
  concur::executor_scope const inside(here);
  concur::event e;
  std::vector<std::string> gone;
  {
    auto const mine = make(here, wait_for(e, noting(gone, "argument")));
    mine->enter();
    mine->run_at_once();
    CHECK_FALSE(mine->has_ended());
    e.set();
    here.run_all();
    REQUIRE(mine->has_ended());
    mine->take();
  }
  CHECK(gone == std::vector<std::string>{"argument"});
  auto const refused = make(here, wait_for(e, noting(gone, "another")));
  refused->enter();
  refused->cancel();
  here.run_all();
  refused->run_at_once();
  REQUIRE(refused->has_ended());
  CHECK_THROWS_AS(refused->take(), concur::cancelled);
  CHECK(here.tasks().empty());
}
