// SPDX-License-Identifier: BSL-1.0
//
// What checked builds report about shared_mutex; checked here whatever the rest of the build is.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/sync/shared_mutex.hpp>

#include "shared_lock_contract.hpp"

#include <string>

namespace {

using concur::shared_mutex;
using contract = support::lock_contract<shared_mutex>;
using shared_contract = support::shared_lock_contract<shared_mutex>;
using support::queue_executor;
using support::reported_misuse;
using support::spawn;
using support::test_task;
using support::throwing_misuse_handler;

// What `use` reports, or nothing.
template <class Use>
std::string report_of(Use use) {
  try {
    use();
  } catch (reported_misuse const& report) {
    return report.sentence;
  }
  return "";
}

bool speaks_of(std::string const& report, char const* words) { return report.find(words) != std::string::npos; }

test_task<> lock_and(shared_mutex& m, void (*then)(shared_mutex&)) {
  auto const guard = co_await m.async_lock();
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

TEST_CASE("shared_mutex: an unlock_shared is reported while nobody shares it", "[shared_mutex][misuse]") {
  throwing_misuse_handler const throwing;
  shared_mutex m;
  auto const unlock_shared = [&m] { m.unlock_shared(); };
  CHECK(speaks_of(report_of(unlock_shared), "nobody shares"));
  m.lock_shared();
  m.unlock_shared();
  CHECK(speaks_of(report_of(unlock_shared), "nobody shares"));
  m.lock();
  CHECK(speaks_of(report_of(unlock_shared), "nobody shares"));
  CHECK_FALSE(shared_contract::is_open(m));

  // While somebody waits.
  queue_executor here;
  auto const reader = spawn(here, shared_contract::share_often(m, 1));
  auto const writer = spawn(here, contract::take_often(m, 1));
  here.run_all();
  CHECK(speaks_of(report_of(unlock_shared), "nobody shares"));
  here.run_all();
  CHECK_FALSE(reader->done());
  m.unlock();
  here.run_all();
  CHECK(reader->done());
  CHECK(writer->done());
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
