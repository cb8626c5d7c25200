// SPDX-License-Identifier: BSL-1.0
//
// A coroutine lost by the compiler (trap C2) is noticed, in checked builds. The report ends the program, so it is made
// in a child process.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/core/task_context.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <csignal>
#include <string>

namespace {

using support::test_task;

// What the miscompiled co_await does: suspends, and tells nobody.
struct lost {
  lost() noexcept {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

test_task<> loses_itself() {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await lost();
}

test_task<> loses_its_child() {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await loses_itself();
}

template <test_task<> (*Body)()>
void run_body() {
  support::queue_executor here;
  auto const root = support::spawn(here, Body());
  here.run_all();
}

test_task<> ends_well() {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_return;
}

}  // namespace

TEST_CASE("task_context: a lost coroutine ends the program with the cure", "[task_context][misuse]") {
  for (auto* const body : {&run_body<loses_itself>, &run_body<loses_its_child>}) {
    auto const result = support::end_in_child(body);
    CHECK(result.signal == SIGABRT);
    CHECK(result.printed.find("a coroutine was lost") != std::string::npos);
    CHECK(result.printed.find("declare a local variable") != std::string::npos);
  }
  auto const healthy = support::end_in_child(&run_body<ends_well>);
  CHECK(healthy.signal == 0);
  CHECK(healthy.printed.empty());
}
