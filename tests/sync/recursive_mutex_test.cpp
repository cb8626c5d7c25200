// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/recursive_mutex.hpp>

#include "lock_contract.hpp"

#include <concur/sync/event.hpp>

namespace {

using concur::recursive_mutex;
using contract = support::lock_contract<recursive_mutex>;
using support::queue_executor;
using support::spawn;
using support::test_task;

static_assert(!std::is_copy_constructible_v<recursive_mutex> && !std::is_copy_assignable_v<recursive_mutex>);
static_assert(CONCUR_CHECKED || std::is_trivially_destructible_v<recursive_mutex>);
constinit recursive_mutex in_static_storage;

bool is_free_elsewhere(recursive_mutex& m) {
  bool free = false;
  std::thread([&] { free = contract::is_free(m); }).join();
  return free;
}

// With the lock held: locks so much deeper, by every blocking form, then unlocks.
void lock_deep(recursive_mutex& m, int depth, long& count) {
  if (depth == 0) {
    ++count;
    return;
  }
  bool locked = true;
  switch (depth % 4) {
    case 0: m.lock(); break;
    case 1: locked = m.try_lock(); break;
    case 2: locked = m.try_lock_for(std::chrono::hours(1)); break;
    case 3: locked = m.lock(concur::os::stop_token()); break;
  }
  if (!locked) return;  // a turn is missing in the count
  lock_deep(m, depth - 1, count);
  m.unlock();
}

test_task<> lock_deep_in_task(recursive_mutex& m, int depth, long& count) {
  auto const guard = co_await m.async_lock();
  if (depth > 1) {
    co_await lock_deep_in_task(m, depth - 1, count);
  } else {
    lock_deep(m, 5, count);
  }
}

test_task<> deep_often(recursive_mutex& m, int times, long& count) {
  for (int i = 0; i < times; ++i) co_await lock_deep_in_task(m, 1 + i % 3, count);
}

// Holds it twice across two waits, after each of which it may be on another thread.
test_task<> hold_across_waits(recursive_mutex& m, concur::event& first, concur::event& second, int& stage) {
  auto outer = co_await m.async_lock();
  auto inner = co_await m.async_lock();
  stage = 1;
  co_await first.async_wait();
  stage = 2;
  inner.unlock();
  {
    std::lock_guard const again(m);
  }
  co_await second.async_wait();
  stage = 3;
}

test_task<> note_turn(recursive_mutex& m, int& stage) {
  auto const guard = co_await m.async_lock();
  stage = 1;
}

support::foreign_coroutine foreign_beside_its_thread(recursive_mutex& m, bool& had, concur::event& leave) {
  auto const guard = co_await m.async_lock();
  had = true;
  co_await leave.async_wait();
}

}  // namespace

TEST_CASE("recursive_mutex: threads exclude each other", "[recursive_mutex]") {
  contract::threads_exclude_each_other();
}

TEST_CASE("recursive_mutex: threads and coroutines exclude each other", "[recursive_mutex]") {
  contract::threads_and_coroutines_exclude_each_other();
}

TEST_CASE("recursive_mutex: every form in one hammer, and it is free at the end", "[recursive_mutex]") {
  contract::every_form_in_one_hammer();
}

TEST_CASE("recursive_mutex: the standard's guards work", "[recursive_mutex]") { contract::the_standards_guards_work(); }

TEST_CASE("recursive_mutex: std::condition_variable_any works with it", "[recursive_mutex]") {
  contract::a_standard_condition_variable_works_with_it();
}

TEST_CASE("recursive_mutex: time limits of every kind, free and held", "[recursive_mutex]") { contract::time_limits(); }

TEST_CASE("recursive_mutex: what is unlocked before the limit is locked", "[recursive_mutex]") {
  contract::what_is_unlocked_in_time_is_locked();
}

TEST_CASE("recursive_mutex: a stop requested before takes a free lock and waits for no other", "[recursive_mutex]") {
  contract::a_stop_that_was_requested_before();
}

TEST_CASE("recursive_mutex: a stop ends the wait and only the wait", "[recursive_mutex]") {
  for (int i = 0; i < support::rounds(1'000); ++i) contract::a_stop_ends_the_wait_and_only_the_wait();
}

TEST_CASE("recursive_mutex: what is handed over with the limit or a stop is locked", "[recursive_mutex]") {
  contract::what_comes_with_the_limit_or_a_stop_is_locked();
}

TEST_CASE("recursive_mutex: nobody starves beside a party that locks in a tight loop", "[recursive_mutex]") {
  contract::nobody_starves();
}

TEST_CASE("recursive_mutex: who has waited long is not overtaken", "[recursive_mutex]") {
  contract::who_has_waited_long_is_not_overtaken();
}

TEST_CASE("recursive_mutex: the last user may destroy it while an earlier unlock returns", "[recursive_mutex]") {
  contract::the_last_user_may_destroy_it<contract::heap_allocated>(support::rounds(100'000));
}

TEST_CASE("recursive_mutex: the last user may unmap its page while an earlier unlock returns", "[recursive_mutex]") {
  contract::the_last_user_may_destroy_it<contract::own_page>(support::rounds(20'000));
}

TEST_CASE("recursive_mutex: coroutines get it in the order of their arrival", "[recursive_mutex]") {
  contract::coroutines_get_it_in_the_order_of_their_arrival();
}

TEST_CASE("recursive_mutex: a task cancelled before it waits takes nothing", "[recursive_mutex]") {
  contract::cancelled_before_it_waits();
}

TEST_CASE("recursive_mutex: a task cancelled while it waits leaves", "[recursive_mutex]") {
  contract::cancelled_while_it_waits();
}

TEST_CASE("recursive_mutex: a task cancelled after it has decided to wait is refused", "[recursive_mutex]") {
  contract::cancelled_between_decision_and_queue();
}

TEST_CASE("recursive_mutex: a task cancelled between grant and resume has the lock, and its next wait is refused",
          "[recursive_mutex]") {
  contract::cancelled_between_grant_and_resume();
}

TEST_CASE("recursive_mutex: a cancelled task leaves the queue as it was", "[recursive_mutex]") {
  contract::a_cancelled_party_leaves_the_queue_as_it_was();
}

TEST_CASE("recursive_mutex: a foreign coroutine waits on the executor of its thread", "[recursive_mutex]") {
  contract::a_foreign_coroutine_waits_on_the_executor_of_its_thread();
}

TEST_CASE("recursive_mutex: a foreign coroutine without an executor is misuse only if it must wait",
          "[recursive_mutex]") {
  contract::a_foreign_coroutine_without_executor_is_misuse_only_if_it_must_wait();
}

TEST_CASE("recursive_mutex: only the last unlock frees it", "[recursive_mutex]") {
  recursive_mutex m;
  m.lock();
  CHECK(m.try_lock());
  CHECK(m.try_lock_for(std::chrono::nanoseconds(-1)));
  CHECK(m.try_lock_until(std::chrono::system_clock::time_point::min()));
  concur::os::stop_source source;
  source.request_stop();
  CHECK(m.lock(source.get_token()));
  m.lock();
  for (int i = 0; i < 6; ++i) {
    CHECK_FALSE(is_free_elsewhere(m));
    m.unlock();
  }
  CHECK(is_free_elsewhere(m));
}

TEST_CASE("recursive_mutex: it counts a million locks", "[recursive_mutex]") {
  recursive_mutex m;
  int const depth = support::rounds(1'000'000);
  for (int i = 0; i < depth; ++i) m.lock();
  for (int i = 1; i < depth; ++i) m.unlock();
  CHECK_FALSE(is_free_elsewhere(m));
  m.unlock();
  CHECK(is_free_elsewhere(m));
}

TEST_CASE("recursive_mutex: nested locks of every form, of threads and coroutines, exclude", "[recursive_mutex]") {
  int const times = support::rounds(20'000);
  recursive_mutex m;
  long count = 0;
  support::threads_executor pool(2);
  auto const on_pool = spawn(pool, deep_often(m, times, count));
  auto const also_on_pool = spawn(pool, deep_often(m, times, count));
  support::hammer crowd;
  crowd.add(2, [&] {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const guard(m);  // so that the try forms inside succeed
      lock_deep(m, i % 8, count);
    }
  });
  crowd.run();
  on_pool->wait_until_done();
  also_on_pool->wait_until_done();
  CHECK(count == 4L * times);
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: a task that moves between threads keeps it", "[recursive_mutex]") {
  recursive_mutex m;
  concur::event first, second;
  queue_executor here;
  int stage = 0;
  auto const root = spawn(here, hold_across_waits(m, first, second, stage));
  here.run_all();
  CHECK(stage == 1);
  CHECK_FALSE(m.try_lock());  // held by a task that ran on this thread, not by the thread
  first.set();
  std::thread([&] { here.run_all(); }).join();
  CHECK(stage == 2);
  CHECK_FALSE(m.try_lock());
  CHECK_FALSE(is_free_elsewhere(m));
  second.set();
  here.run_all();
  CHECK(stage == 3);
  REQUIRE(root->done());
  CHECK_NOTHROW(root->result());
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: two tasks on one thread exclude each other", "[recursive_mutex]") {
  recursive_mutex m;
  concur::event leave;
  leave.set();
  concur::event first;
  queue_executor here;
  int stage = 0, other_stage = 0;
  auto const root = spawn(here, hold_across_waits(m, first, leave, stage));
  auto const other = spawn(here, note_turn(m, other_stage));
  here.run_all();
  CHECK(stage == 1);
  CHECK(other_stage == 0);
  first.set();
  here.run_all();
  CHECK(stage == 3);
  CHECK(other_stage == 1);
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: a thread and a task or fiber on it exclude each other", "[recursive_mutex]") {
  recursive_mutex m;
  queue_executor here;
  int stage = 0;
  m.lock();
  auto const root = spawn(here, note_turn(m, stage));
  here.run_all();
  CHECK(stage == 0);
  support::fake_fiber fiber([] {});
  CHECK_FALSE(fiber.run([&m] { return m.try_lock(); }));
  m.unlock();
  here.run_all();
  CHECK(stage == 1);
  CHECK(fiber.run([&m] { return m.try_lock() && m.try_lock(); }));
  CHECK_FALSE(m.try_lock());
  fiber.run([&m] {
    m.unlock();
    m.unlock();
    return true;
  });
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: a foreign coroutine and the thread it runs on exclude each other", "[recursive_mutex]") {
  recursive_mutex m;
  queue_executor here;
  concur::executor_scope const this_thread(here);
  concur::event leave;
  bool had = false;
  m.lock();
  auto const coroutine = foreign_beside_its_thread(m, had, leave);
  here.run_all();
  CHECK_FALSE(had);
  m.unlock();
  here.run_all();
  CHECK(had);
  CHECK_FALSE(m.try_lock());
  leave.set();
  here.run_all();
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: a task cancelled at a nested lock gives back what it had", "[recursive_mutex]") {
  recursive_mutex m;
  concur::event first, second;
  queue_executor here;
  int stage = 0;
  auto const root = spawn(here, hold_across_waits(m, first, second, stage));
  here.run_all();
  root->cancel();
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  CHECK(stage == 1);
  CHECK(contract::is_free(m));
}

TEST_CASE("recursive_mutex: one in static storage", "[recursive_mutex]") {
  std::lock_guard const guard(in_static_storage);
  std::lock_guard const again(in_static_storage);
  CHECK_FALSE(is_free_elsewhere(in_static_storage));
}
