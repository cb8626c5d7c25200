// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/mutex.hpp>

#include "lock_contract.hpp"

#include <barrier>

namespace {

using contract = support::lock_contract<concur::mutex>;

static_assert(!std::is_copy_constructible_v<concur::mutex> && !std::is_copy_assignable_v<concur::mutex>);
constinit concur::mutex in_static_storage;

}  // namespace

TEST_CASE("mutex: threads exclude each other", "[mutex]") { contract::threads_exclude_each_other(); }

TEST_CASE("mutex: threads and coroutines exclude each other", "[mutex]") {
  contract::threads_and_coroutines_exclude_each_other();
}

TEST_CASE("mutex: every form in one hammer, and it is free at the end", "[mutex]") {
  contract::every_form_in_one_hammer();
}

TEST_CASE("mutex: the standard's guards work", "[mutex]") { contract::the_standards_guards_work(); }

TEST_CASE("mutex: std::condition_variable_any works with it", "[mutex]") {
  contract::a_standard_condition_variable_works_with_it();
}

TEST_CASE("mutex: time limits of every kind, free and held", "[mutex]") { contract::time_limits(); }

TEST_CASE("mutex: what is unlocked before the limit is locked", "[mutex]") {
  contract::what_is_unlocked_in_time_is_locked();
}

TEST_CASE("mutex: a stop requested before takes a free lock and waits for no other", "[mutex]") {
  contract::a_stop_that_was_requested_before();
}

TEST_CASE("mutex: a stop ends the wait and only the wait", "[mutex]") {
  for (int i = 0; i < support::rounds(1'000); ++i) contract::a_stop_ends_the_wait_and_only_the_wait();
}

TEST_CASE("mutex: what is handed over with the limit or a stop is locked", "[mutex]") {
  contract::what_comes_with_the_limit_or_a_stop_is_locked();
}

TEST_CASE("mutex: nobody starves beside a party that locks in a tight loop", "[mutex]") { contract::nobody_starves(); }

TEST_CASE("mutex: who has waited long is not overtaken", "[mutex]") {
  contract::who_has_waited_long_is_not_overtaken();
}

TEST_CASE("mutex: the last user may destroy it while an earlier unlock returns", "[mutex]") {
  contract::the_last_user_may_destroy_it<contract::heap_allocated>(support::rounds(100'000));
}

TEST_CASE("mutex: the last user may unmap its page while an earlier unlock returns", "[mutex]") {
  contract::the_last_user_may_destroy_it<contract::own_page>(support::rounds(20'000));
}

TEST_CASE("mutex: coroutines get it in the order of their arrival", "[mutex]") {
  contract::coroutines_get_it_in_the_order_of_their_arrival();
}

TEST_CASE("mutex: a task cancelled before it waits takes nothing", "[mutex]") { contract::cancelled_before_it_waits(); }

TEST_CASE("mutex: a task cancelled while it waits leaves", "[mutex]") { contract::cancelled_while_it_waits(); }

TEST_CASE("mutex: a task cancelled after it has decided to wait is refused", "[mutex]") {
  contract::cancelled_between_decision_and_queue();
}

TEST_CASE("mutex: a task cancelled between grant and resume has the lock, and its next wait is refused", "[mutex]") {
  contract::cancelled_between_grant_and_resume();
}

TEST_CASE("mutex: a cancelled task leaves the queue as it was", "[mutex]") {
  contract::a_cancelled_party_leaves_the_queue_as_it_was();
}

TEST_CASE("mutex: a foreign coroutine waits on the executor of its thread", "[mutex]") {
  contract::a_foreign_coroutine_waits_on_the_executor_of_its_thread();
}

TEST_CASE("mutex: a foreign coroutine without an executor is misuse only if it must wait", "[mutex]") {
  contract::a_foreign_coroutine_without_executor_is_misuse_only_if_it_must_wait();
}

TEST_CASE("mutex: one in static storage", "[mutex]") {
  std::lock_guard const guard(in_static_storage);
  bool taken = true;
  std::thread([&taken] { taken = in_static_storage.try_lock(); }).join();
  CHECK_FALSE(taken);
}

// A thread is woken with a hint, about when its limit passes. If it leaves then, the hint must go to the next, which
// nobody else will wake.
TEST_CASE("mutex: a thread that leaves at its limit never takes a wake with it", "[mutex]") {
  using namespace std::chrono;
  concur::mutex m;
  constexpr auto limit = microseconds(300);
  std::barrier together(3);
  std::atomic<steady_clock::time_point> begun{};
  int const times = support::rounds(2'000);
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      together.arrive_and_wait();
      begun.store(steady_clock::now());
      if (m.try_lock_for(limit)) m.unlock();
      together.arrive_and_wait();
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      together.arrive_and_wait();
      while (steady_clock::now() < begun.load() + limit / 3) concur::os::yield();
      m.lock();
      m.unlock();
      together.arrive_and_wait();
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      begun.store(steady_clock::time_point::max() - limit);
      m.lock();
      together.arrive_and_wait();
      while (steady_clock::now() < begun.load() + limit - microseconds(i % 100)) concur::os::yield();
      m.unlock();
      together.arrive_and_wait();
    }
  });
  crowd.run();
  CHECK(contract::is_free(m));
}
