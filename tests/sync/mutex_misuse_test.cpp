// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about locks; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/mutex.hpp>

#include "../support/misuse.hpp"
#include "lock_contract.hpp"

#include <string>

namespace {

using support::queue_executor;
using support::report_of;
using support::spawn;
using support::speaks_of;
using support::test_task;
using support::throwing_misuse_handler;

test_task<> lock_twice(concur::mutex& m) {
  auto const guard = co_await m.async_lock();
  m.lock();
}

test_task<> unlock_without_lock(concur::mutex& m) {
  int const nothing_held = 0;
  static_cast<void>(nothing_held);
  m.unlock();
  co_return;
}

test_task<> hold_across(concur::mutex& m, concur::mutex& held_by_test) {
  auto guard = co_await m.async_lock();
  auto const moved_on = co_await held_by_test.async_lock();
  guard.unlock();
  guard.lock();
}

template <class T>
std::string report_of_task(support::root_task<T>& root) {
  return report_of([&] { root.result(); });
}

}  // namespace

TEST_CASE("mutex: an unlock by another thread is reported and changes nothing", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m;
  support::lock_contract<concur::mutex>::held_by_another_thread const holder(m);
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold"));
  CHECK_FALSE(m.try_lock());
}

TEST_CASE("mutex: an unlock of a free lock is reported", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m;
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold"));
  m.lock();
  m.unlock();
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold"));
}

TEST_CASE("mutex: a thread that locks it twice is told instead of waiting for ever", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m;
  m.lock();
  CHECK(speaks_of(report_of([&] { m.lock(); }), "holds it already"));
  CHECK_FALSE(m.try_lock());  // asking is allowed
  m.unlock();
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("mutex: a task that locks it twice is told instead of waiting for ever", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m;
  queue_executor here;
  auto const root = spawn(here, lock_twice(m));
  here.run_all();
  REQUIRE(root->done());
  CHECK(speaks_of(report_of_task(*root), "holds it already"));
  CHECK(m.try_lock());  // the guard has let go
  m.unlock();
}

TEST_CASE("mutex: an unlock by a task on the thread of the holder is reported", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m;
  queue_executor here;
  m.lock();  // by this thread, which will run the task: still another party
  auto const root = spawn(here, unlock_without_lock(m));
  here.run_all();
  REQUIRE(root->done());
  CHECK(speaks_of(report_of_task(*root), "does not hold"));
  m.unlock();
}

TEST_CASE("mutex: a guard may cross threads with its task", "[mutex][misuse]") {
  throwing_misuse_handler const throwing;
  concur::mutex m, held_by_test;
  queue_executor here;
  held_by_test.lock();
  auto const root = spawn(here, hold_across(m, held_by_test));
  here.run_all();
  held_by_test.unlock();
  std::thread([&] { here.run_all(); }).join();
  REQUIRE(root->done());
  CHECK_NOTHROW(root->result());
  CHECK(m.try_lock());
  m.unlock();
}
