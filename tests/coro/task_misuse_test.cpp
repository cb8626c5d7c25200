// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about tasks; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>

#include "coro_support.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace {

using concur::spawn;
using concur::task;
using support::end_in_child;
using support::hand_loop;
using support::value_of;

task<int> one() { co_return 1; }

constexpr unsigned head_of_forgotten = __LINE__ + 2;
template <class T>
task<T> forgotten(T value) {
  T const given = value;
  co_return given;
}

task<> forgets() {
  int const nothing = 0;
  static_cast<void>(nothing);
  static_cast<void>(one());
  co_return;
}

}  // namespace

TEST_CASE("task: one that was never awaited ends the program with a question", "[task][misuse]") {
  auto const dropped = end_in_child([] { static_cast<void>(one()); });
  CHECK(dropped.signal == SIGABRT);
  CHECK(dropped.printed.find("is a co_await missing?") != std::string::npos);
  auto const assigned = end_in_child([] {
    auto t = one();
    t = one();
    static_cast<void>(t.release());
  });
  CHECK(assigned.signal == SIGABRT);
  auto const in_a_task = end_in_child([] { value_of(forgets()); });
  CHECK(in_a_task.signal == SIGABRT);
  auto const none = end_in_child([] { task<int> const empty; });
  CHECK(none.signal == 0);
  CHECK(none.printed.empty());
}

TEST_CASE("task: the report of a forgotten one names its function, and where that is", "[task][misuse]") {
  auto const plain = end_in_child([] { static_cast<void>(forgotten(1.5)); });
  INFO(plain.printed);
  CHECK(plain.printed.find("forgotten(") != std::string::npos);
  CHECK(plain.printed.find("double") != std::string::npos);
  bool within = false;
  for (auto line = head_of_forgotten; line <= head_of_forgotten + 3; ++line) {
    within = within || plain.printed.find("task_misuse_test.cpp:" + std::to_string(line) + ": ") != std::string::npos;
  }
  CHECK(within);
  auto const lambda = [](int value) -> task<int> { co_return value; };
  unsigned const line = __LINE__ - 1;
  auto const closure = end_in_child([&] { static_cast<void>(lambda(1)); });
  CHECK(closure.printed.find("task_misuse_test.cpp:" + std::to_string(line) + ": ") != std::string::npos);
}

namespace {

// Never gets to the second.
task<int> one_after_the_other(task<int> first, task<int> second) {
  int const sum = co_await std::move(first);
  co_return sum + co_await std::move(second);
}

task<int> fails() {
  int const nothing = 0;
  co_await concur::yield();
  if (nothing == 0) throw std::runtime_error("on its way");
  co_return nothing;
}

task<int> awaits_a_pair() {
  task<int> const spare = one();
  int const sum = co_await one_after_the_other(fails(), one());
  co_return sum;
}

}  // namespace

TEST_CASE("task: nobody forgot what goes because of an error or a cancel", "[task][misuse]") {
  auto const errors = end_in_child([] {
    try {
      value_of(awaits_a_pair());
    } catch (std::runtime_error const&) {
    }
    try {
      value_of(one_after_the_other(fails(), one()));
    } catch (std::runtime_error const&) {
    }
    try {
      auto const unused = one();
      throw std::runtime_error("before it was awaited");
    } catch (std::runtime_error const&) {
    }
    try {
      spawn(one_after_the_other(one(), one())).get();  // nowhere
    } catch (concur::misuse const&) {
    }
  });
  CHECK(errors.printed == "");
  CHECK(errors.signal == 0);
  auto const cancels = end_in_child([] {
    hand_loop here;
    auto before_it_began = spawn(here, one_after_the_other(one(), one()));
    before_it_began.cancel();
    here.run_all();
    auto while_it_waits = spawn(here, one_after_the_other(fails(), one()));
    here.run_one();
    while_it_waits.cancel();
    here.run_all();
    static_cast<void>(while_it_waits.error());
    here.tasks().cancel();
    auto in_a_cancelled_scope = spawn(here, one_after_the_other(one(), one()));
    here.run_all();
  });
  CHECK(cancels.printed == "");
  CHECK(cancels.signal == 0);
}

TEST_CASE("task: awaited a second time it is reported where that happens", "[task][misuse]") {
  support::throwing_misuse_handler const throwing;
  static auto const twice = []() -> task<std::string> {
    auto child = one();
    int const first = co_await std::move(child);
    try {
      co_return std::to_string(first + co_await std::move(child));
    } catch (support::reported_misuse const& report) {
      co_return report.sentence;
    }
  };
  CHECK(value_of(twice()).find("awaited before") != std::string::npos);
}
