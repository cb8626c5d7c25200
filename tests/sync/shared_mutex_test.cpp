// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/shared_mutex.hpp>

#include "shared_lock_contract.hpp"

namespace {

using contract = support::lock_contract<concur::shared_mutex>;
using shared_contract = support::shared_lock_contract<concur::shared_mutex>;

static_assert(!std::is_copy_constructible_v<concur::shared_mutex> && !std::is_copy_assignable_v<concur::shared_mutex>);
static_assert(CONCUR_CHECKED || std::is_trivially_destructible_v<concur::shared_mutex>);
static_assert(CONCUR_CHECKED || sizeof(concur::shared_mutex) == 16);
constinit concur::shared_mutex in_static_storage;

}  // namespace

TEST_CASE("shared_mutex: threads exclude each other", "[shared_mutex]") { contract::threads_exclude_each_other(); }

TEST_CASE("shared_mutex: threads and coroutines exclude each other", "[shared_mutex]") {
  contract::threads_and_coroutines_exclude_each_other();
}

TEST_CASE("shared_mutex: every form in one hammer, and it is free at the end", "[shared_mutex]") {
  contract::every_form_in_one_hammer();
}

TEST_CASE("shared_mutex: the standard's guards work", "[shared_mutex]") { contract::the_standards_guards_work(); }

TEST_CASE("shared_mutex: std::condition_variable_any works with it", "[shared_mutex]") {
  contract::a_standard_condition_variable_works_with_it();
}

TEST_CASE("shared_mutex: time limits of every kind, free and held", "[shared_mutex]") { contract::time_limits(); }

TEST_CASE("shared_mutex: what is unlocked before the limit is locked", "[shared_mutex]") {
  contract::what_is_unlocked_in_time_is_locked();
}

TEST_CASE("shared_mutex: a stop requested before takes a free lock and waits for no other", "[shared_mutex]") {
  contract::a_stop_that_was_requested_before();
}

TEST_CASE("shared_mutex: a stop ends the wait and only the wait", "[shared_mutex]") {
  for (int i = 0; i < support::rounds(1'000); ++i) contract::a_stop_ends_the_wait_and_only_the_wait();
}

TEST_CASE("shared_mutex: what is handed over with the limit or a stop is locked", "[shared_mutex]") {
  contract::what_comes_with_the_limit_or_a_stop_is_locked();
}

TEST_CASE("shared_mutex: nobody starves beside a party that locks in a tight loop", "[shared_mutex]") {
  contract::nobody_starves();
}

TEST_CASE("shared_mutex: who has waited long is not overtaken", "[shared_mutex]") {
  contract::who_has_waited_long_is_not_overtaken();
}

TEST_CASE("shared_mutex: the last user may destroy it while an earlier unlock returns", "[shared_mutex]") {
  contract::the_last_user_may_destroy_it<contract::heap_allocated>(support::rounds(100'000));
}

TEST_CASE("shared_mutex: the last user may unmap its page while an earlier unlock returns", "[shared_mutex]") {
  contract::the_last_user_may_destroy_it<contract::own_page>(support::rounds(20'000));
}

TEST_CASE("shared_mutex: coroutines get it in the order of their arrival", "[shared_mutex]") {
  contract::coroutines_get_it_in_the_order_of_their_arrival();
}

TEST_CASE("shared_mutex: a task cancelled before it waits takes nothing", "[shared_mutex]") {
  contract::cancelled_before_it_waits();
}

TEST_CASE("shared_mutex: a task cancelled while it waits leaves", "[shared_mutex]") {
  contract::cancelled_while_it_waits();
}

TEST_CASE("shared_mutex: a task cancelled after it has decided to wait is refused", "[shared_mutex]") {
  contract::cancelled_between_decision_and_queue();
}

TEST_CASE("shared_mutex: a task cancelled between grant and resume has the lock, and its next wait is refused",
          "[shared_mutex]") {
  contract::cancelled_between_grant_and_resume();
}

TEST_CASE("shared_mutex: a cancelled task leaves the queue as it was", "[shared_mutex]") {
  contract::a_cancelled_party_leaves_the_queue_as_it_was();
}

TEST_CASE("shared_mutex: a foreign coroutine waits on the executor of its thread", "[shared_mutex]") {
  contract::a_foreign_coroutine_waits_on_the_executor_of_its_thread();
}

TEST_CASE("shared_mutex: a foreign coroutine without an executor is misuse only if it must wait", "[shared_mutex]") {
  contract::a_foreign_coroutine_without_executor_is_misuse_only_if_it_must_wait();
}

TEST_CASE("shared_mutex: readers run together", "[shared_mutex]") { shared_contract::readers_run_together(); }

TEST_CASE("shared_mutex: coroutines and threads read together", "[shared_mutex]") {
  shared_contract::coroutines_and_threads_read_together();
}

TEST_CASE("shared_mutex: readers and writers exclude each other", "[shared_mutex]") {
  shared_contract::readers_and_writers_exclude_each_other();
}

TEST_CASE("shared_mutex: every form of both ways in one hammer, and it is free at the end", "[shared_mutex]") {
  shared_contract::every_form_in_one_hammer();
}

TEST_CASE("shared_mutex: the standard's guards of readers work", "[shared_mutex]") {
  shared_contract::the_standards_guards_work();
}

TEST_CASE("shared_mutex: no writer starves among readers", "[shared_mutex]") {
  shared_contract::no_writer_starves_among_readers();
}

TEST_CASE("shared_mutex: no reader starves among writers", "[shared_mutex]") {
  shared_contract::no_reader_starves_among_writers();
}

TEST_CASE("shared_mutex: time limits of readers, open and held", "[shared_mutex]") { shared_contract::time_limits(); }

TEST_CASE("shared_mutex: what is unlocked before the limit is shared", "[shared_mutex]") {
  shared_contract::what_is_unlocked_in_time_is_shared();
}

TEST_CASE("shared_mutex: a stop requested before shares an open lock and waits for no other", "[shared_mutex]") {
  shared_contract::a_stop_that_was_requested_before();
}

TEST_CASE("shared_mutex: a stop ends a reader's wait and only the wait", "[shared_mutex]") {
  for (int i = 0; i < support::rounds(1'000); ++i) shared_contract::a_stop_ends_the_wait_and_only_the_wait();
}

TEST_CASE("shared_mutex: what is handed over with the limit or a stop is shared", "[shared_mutex]") {
  shared_contract::what_comes_with_the_limit_or_a_stop_is_shared();
}

TEST_CASE("shared_mutex: a writer that leaves lets in the readers behind it", "[shared_mutex]") {
  shared_contract::a_writer_that_leaves_lets_in_the_readers_behind_it();
}

TEST_CASE("shared_mutex: a party that leaves a lock held exclusively changes nothing else", "[shared_mutex]") {
  shared_contract::a_party_that_leaves_a_held_lock_changes_nothing_else();
}

TEST_CASE("shared_mutex: coroutines get it in the order of their arrival, readers in runs", "[shared_mutex]") {
  shared_contract::coroutines_get_it_in_order_and_readers_in_runs();
}

TEST_CASE("shared_mutex: a writer that is overtaken keeps its place", "[shared_mutex]") {
  shared_contract::a_writer_that_is_overtaken_keeps_its_place();
}

TEST_CASE("shared_mutex: a reading task cancelled before it waits takes nothing", "[shared_mutex]") {
  shared_contract::cancelled_before_it_waits();
}

TEST_CASE("shared_mutex: a reading task cancelled while it waits leaves", "[shared_mutex]") {
  shared_contract::cancelled_while_it_waits();
}

TEST_CASE("shared_mutex: a reading task cancelled after it has decided to wait is refused", "[shared_mutex]") {
  shared_contract::cancelled_between_decision_and_queue();
}

TEST_CASE("shared_mutex: a reading task cancelled between grant and resume has its share", "[shared_mutex]") {
  shared_contract::cancelled_between_grant_and_resume();
}

TEST_CASE("shared_mutex: a foreign coroutine shares it on the executor of its thread", "[shared_mutex]") {
  shared_contract::a_foreign_coroutine_shares_it();
}

TEST_CASE("shared_mutex: a foreign reader without an executor is misuse only if it must wait", "[shared_mutex]") {
  shared_contract::a_foreign_coroutine_without_executor_is_misuse_only_if_it_must_wait();
}

TEST_CASE("shared_mutex: the last of a reader and a writer may destroy it", "[shared_mutex]") {
  shared_contract::the_last_user_may_destroy_it<contract::heap_allocated>(support::rounds(50'000));
  shared_contract::the_last_user_may_destroy_it<contract::own_page>(support::rounds(20'000));
}

TEST_CASE("shared_mutex: a writer that waited for readers may destroy it", "[shared_mutex]") {
  shared_contract::a_writer_that_waited_for_readers_may_destroy_it<contract::heap_allocated>(support::rounds(10'000));
  shared_contract::a_writer_that_waited_for_readers_may_destroy_it<contract::own_page>(support::rounds(5'000));
}

TEST_CASE("shared_mutex: one in static storage", "[shared_mutex]") {
  std::shared_lock const guard(in_static_storage);
  bool taken = true;
  std::thread([&taken] { taken = in_static_storage.try_lock(); }).join();
  CHECK_FALSE(taken);
}
