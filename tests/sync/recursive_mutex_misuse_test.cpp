// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about recursive_mutex; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/recursive_mutex.hpp>

#include "../support/misuse.hpp"
#include "lock_contract.hpp"

#include <string>

namespace {

using concur::recursive_mutex;
using contract = support::lock_contract<recursive_mutex>;
using support::queue_executor;
using support::report_of;
using support::spawn;
using support::test_task;
using support::throwing_misuse_handler;

bool is_the_report(std::string const& report) {
  return report == "unlock() of a recursive_mutex by a party that does not hold it";
}

test_task<> unlock_without_lock(recursive_mutex& m) {
  int const nothing_held = 0;
  static_cast<void>(nothing_held);
  m.unlock();
  co_return;
}

test_task<> unlock_once_too_often(recursive_mutex& m) {
  auto outer = co_await m.async_lock();
  auto inner = co_await m.async_lock();
  m.lock();
  m.unlock();
  inner.unlock();
  outer.unlock();
  m.unlock();
}

test_task<> hold_across(recursive_mutex& m, recursive_mutex& held_by_test) {
  auto guard = co_await m.async_lock();
  m.lock();
  auto const moved_on = co_await held_by_test.async_lock();
  m.unlock();
  guard.unlock();
  guard.lock();
}

support::foreign_coroutine lock_twice_in_turn(recursive_mutex& m, int& turns) {
  for (int i = 0; i < 2; ++i) {
    auto const guard = co_await m.async_lock();
    ++turns;
  }
}

}  // namespace

TEST_CASE("recursive_mutex: an unlock by another thread is reported and changes nothing", "[recursive_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  recursive_mutex m;
  contract::held_by_another_thread const holder(m);
  CHECK(is_the_report(report_of([&] { m.unlock(); })));
  CHECK_FALSE(m.try_lock());
}

TEST_CASE("recursive_mutex: one unlock more than locks is reported", "[recursive_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  recursive_mutex m;
  CHECK(is_the_report(report_of([&] { m.unlock(); })));
  m.lock();
  m.lock();
  m.unlock();
  m.unlock();
  CHECK(is_the_report(report_of([&] { m.unlock(); })));
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: one unlock more than locks by a task is reported", "[recursive_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  recursive_mutex m;
  queue_executor here;
  auto const root = spawn(here, unlock_once_too_often(m));
  here.run_all();
  REQUIRE(root->done());
  CHECK(is_the_report(report_of([&] { root->result(); })));
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: an unlock by a task on the thread of the holder is reported", "[recursive_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  recursive_mutex m;
  queue_executor here;
  m.lock();  // by this thread, which will run the task: still another party
  m.lock();
  auto const root = spawn(here, unlock_without_lock(m));
  here.run_all();
  REQUIRE(root->done());
  CHECK(is_the_report(report_of([&] { root->result(); })));
  m.unlock();
  CHECK_NOTHROW(m.unlock());
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: right use by tasks and foreign coroutines is not reported", "[recursive_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  recursive_mutex m, held_by_test;
  queue_executor here;
  concur::executor_scope const this_thread(here);
  held_by_test.lock();
  auto const root = spawn(here, hold_across(m, held_by_test));
  here.run_all();
  held_by_test.unlock();
  std::thread([&] { here.run_all(); }).join();
  REQUIRE(root->done());
  CHECK_NOTHROW(root->result());

  int turns = 0;
  m.lock();
  auto const coroutine = lock_twice_in_turn(m, turns);
  m.unlock();
  here.run_all();
  CHECK(turns == 2);
  REQUIRE(coroutine.done());
  CHECK_NOTHROW(coroutine.rethrow_error());
  CHECK(contract::is_free(m));
}
