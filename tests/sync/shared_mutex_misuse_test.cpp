// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about shared_mutex; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/shared_mutex.hpp>

#include "../support/misuse.hpp"
#include "shared_lock_contract.hpp"

#include <string>
#include <vector>

namespace {

using concur::shared_mutex;
using contract = support::lock_contract<shared_mutex>;
using shared_contract = support::shared_lock_contract<shared_mutex>;
using support::queue_executor;
using support::report_of;
using support::spawn;
using support::speaks_of;
using support::test_task;
using support::throwing_misuse_handler;

constexpr char const* not_shared = "shared_mutex by a party that does not share it";

test_task<> lock_and(shared_mutex& m, void (*then)(shared_mutex&)) {
  auto const guard = co_await m.async_lock();
  then(m);
}

test_task<> share_and(shared_mutex& m, void (*then)(shared_mutex&)) {
  auto const guard = co_await m.async_lock_shared();
  then(m);
}

test_task<> only(shared_mutex& m, void (*what)(shared_mutex&)) {
  int const nothing_held = 0;
  static_cast<void>(nothing_held);
  what(m);
  co_return;
}

test_task<> hold_across(shared_mutex& m, shared_mutex& held_by_test) {
  auto guard = co_await m.async_lock();
  auto const moved_on = co_await held_by_test.async_lock();
  guard.unlock();
  guard.lock();
}

test_task<> share_across(shared_mutex& m, shared_mutex& held_by_test) {
  auto guard = co_await m.async_lock_shared();
  auto const moved_on = co_await held_by_test.async_lock();
  guard.unlock();
  guard.lock();
}

std::string report_of_task(queue_executor& here, test_task<> body) {
  auto const root = spawn(here, std::move(body));
  here.run_all();
  REQUIRE(root->done());
  return report_of([&] { root->result(); });
}

}  // namespace

TEST_CASE("shared_mutex: an unlock by another thread is reported and changes nothing", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  contract::held_by_another_thread const holder(m);
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "shared_mutex by a party that does not hold it exclusively"));
  CHECK_FALSE(m.try_lock());
  CHECK_FALSE(m.try_lock_shared());
}

TEST_CASE("shared_mutex: an unlock of a lock that is free or shared is reported", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold it exclusively"));
  m.lock();
  m.unlock();
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold it exclusively"));
  m.lock_shared();
  CHECK(speaks_of(report_of([&] { m.unlock(); }), "does not hold it exclusively"));
  CHECK_FALSE(m.try_lock());
  m.unlock_shared();
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: a party that holds it and locks it again is told", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  m.lock();
  CHECK(speaks_of(report_of([&] { m.lock(); }), "would wait for itself"));
  CHECK(speaks_of(report_of([&] { m.lock_shared(); }), "would wait for itself"));
  CHECK(speaks_of(report_of([&] { static_cast<void>(m.try_lock_for(std::chrono::hours(1))); }),
                  "lock() of a shared_mutex"));
  CHECK(speaks_of(report_of([&] { static_cast<void>(m.lock_shared(concur::os::stop_token())); }),
                  "lock_shared() of a shared"));
  CHECK_FALSE(m.try_lock());  // asking is allowed
  CHECK_FALSE(m.try_lock_shared());
  CHECK_FALSE(m.try_lock_shared_for(std::chrono::hours(-1)));
  m.unlock();
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: a task that holds it and locks it again is told", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  queue_executor here;
  auto const lock = [](shared_mutex& again) { again.lock(); };
  auto const share = [](shared_mutex& again) { again.lock_shared(); };
  CHECK(speaks_of(report_of_task(here, lock_and(m, lock)), "would wait for itself"));
  CHECK(speaks_of(report_of_task(here, lock_and(m, share)), "would wait for itself"));
  CHECK(contract::is_free(m));  // the guards have let go
}

TEST_CASE("shared_mutex: an unlock_shared is reported while nobody shares it, whoever waits",
          "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  auto const unlock_shared = [&m] { m.unlock_shared(); };
  CHECK(speaks_of(report_of(unlock_shared), not_shared));
  m.lock_shared();
  m.unlock_shared();
  CHECK(speaks_of(report_of(unlock_shared), not_shared));
  m.lock();
  CHECK(speaks_of(report_of(unlock_shared), not_shared));
  CHECK_FALSE(shared_contract::is_open(m));

  // While somebody waits.
  queue_executor here;
  auto const reader = spawn(here, shared_contract::share_often(m, 1));
  auto const writer = spawn(here, contract::take_often(m, 1));
  here.run_all();
  CHECK(speaks_of(report_of(unlock_shared), not_shared));
  here.run_all();
  CHECK_FALSE(reader->done());
  m.unlock();
  here.run_all();
  CHECK(reader->done());
  CHECK(writer->done());
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: an unlock_shared by a party without a share is reported while others have one",
          "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  {
    shared_contract::shared_by_another_thread const reader(m);
    CHECK(speaks_of(report_of([&] { m.unlock_shared(); }), not_shared));
    // Nor does a task have the share of the thread that it runs on.
    m.lock_shared();
    queue_executor here;
    auto const unlock_shared = [](shared_mutex& not_mine) { not_mine.unlock_shared(); };
    CHECK(speaks_of(report_of_task(here, only(m, unlock_shared)), not_shared));
    m.unlock_shared();
    CHECK(speaks_of(report_of([&] { m.unlock_shared(); }), not_shared));
    CHECK_FALSE(m.try_lock());  // the other's share is still there
  }
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: a party that shares it and would wait for itself is told", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  m.lock_shared();
  CHECK(speaks_of(report_of([&] { m.lock(); }), "lock() of a shared_mutex by a party that shares it"));
  CHECK(speaks_of(report_of([&] { static_cast<void>(m.try_lock_for(std::chrono::hours(1))); }), "wait for itself"));
  CHECK_FALSE(m.try_lock());  // asking is allowed

  // Once more goes well, unless a writer waits.
  m.lock_shared();
  m.unlock_shared();
  {
    queue_executor here;
    auto const writer = spawn(here, contract::take_often(m, 1));
    here.run_all();
    CHECK(speaks_of(report_of([&] { m.lock_shared(); }), "wait for a writer that waits for it"));
    CHECK(speaks_of(report_of([&] { static_cast<void>(m.lock_shared(concur::os::stop_token())); }), "by a party that"));
    CHECK_FALSE(m.try_lock_shared());
    m.unlock_shared();
    here.run_all();
    CHECK(writer->done());
  }
  CHECK(contract::is_free(m));

  queue_executor here;
  auto const lock = [](shared_mutex& again) { again.lock(); };
  CHECK(speaks_of(report_of_task(here, share_and(m, lock)), "wait for itself"));
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: right use is not reported, however many share it and whoever they are",
          "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  // More parties than it remembers: tasks, foreign coroutines, and a thread in between.
  queue_executor here;
  concur::executor_scope const this_thread(here);
  concur::event leave;
  int inside = 0, turns = 0;
  shared_contract::tasks roots;
  std::vector<support::foreign_coroutine> foreign;
  m.lock();
  for (int i = 0; i < 20; ++i) roots.push_back(spawn(here, shared_contract::share_until(m, inside, leave)));
  for (int i = 0; i < 3; ++i) foreign.push_back(shared_contract::foreign_turns(m, turns));
  here.run_all();
  m.unlock();
  m.lock_shared();
  here.run_all();
  CHECK(inside == 20);
  CHECK(turns == 6);
  CHECK_NOTHROW(m.unlock_shared());
  m.lock_shared();
  leave.set();
  here.run_all();
  CHECK(inside == 0);
  for (auto const& each : roots) CHECK_NOTHROW(each->result());
  for (auto const& each : foreign) CHECK_NOTHROW(each.rethrow_error());
  // All are known again: one too many is noticed.
  m.unlock_shared();
  CHECK(speaks_of(report_of([&] { m.unlock_shared(); }), not_shared));
  CHECK(contract::is_free(m));
}

TEST_CASE("shared_mutex: an unlock by a task on the thread of the holder is reported", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  queue_executor here;
  m.lock();  // by this thread, which will run the task: still another party
  auto const unlock = [](shared_mutex& not_mine) { not_mine.unlock(); };
  CHECK(speaks_of(report_of_task(here, only(m, unlock)), "does not hold it exclusively"));
  CHECK_FALSE(shared_contract::is_open(m));
  m.unlock();
}

TEST_CASE("shared_mutex: a guard of either way may cross threads with its task", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  for (bool shared : {false, true}) {
    shared_mutex m, held_by_test;
    queue_executor here;
    held_by_test.lock();
    auto const root = spawn(here, shared ? share_across(m, held_by_test) : hold_across(m, held_by_test));
    here.run_all();
    held_by_test.unlock();
    std::thread([&] { here.run_all(); }).join();
    REQUIRE(root->done());
    CHECK_NOTHROW(root->result());
    CHECK(contract::is_free(m));
  }
}
