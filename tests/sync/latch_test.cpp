// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/latch.hpp>

#include "../support/misuse.hpp"
#include "destroyed_when_woken.hpp"
#include "lock_contract.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using concur::latch;
using support::complaint_of;
using support::foreign_coroutine;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::speaks_of;
using support::test_task;
using support::threads_executor;

constinit latch in_static_storage(2);
static_assert(sizeof(latch) == 16);
static_assert(CONCUR_CHECKED || std::is_trivially_destructible_v<latch>);
static_assert(!std::is_copy_constructible_v<latch> && !std::is_copy_assignable_v<latch>);

// Whether exactly `count` is left. Opens it, if it is.
bool has_left(latch& l, std::ptrdiff_t count) {
  if (count > 1) l.count_down(count - 1);
  bool const not_open_yet = !l.try_wait();
  l.count_down();
  return not_open_yet && l.try_wait();
}

test_task<> pass(latch& gate, int& passed) {
  int const one = 1;
  co_await gate.async_wait();
  passed += one;
}

test_task<> arrive_and_pass(latch& gate, int& passed, std::ptrdiff_t count = 1) {
  int const one = 1;
  co_await gate.async_arrive_and_wait(count);
  passed += one;
}

foreign_coroutine arrive_and_pass_foreign(latch& gate, int& passed) {
  int const one = 1;
  co_await gate.async_arrive_and_wait();
  passed += one;
  co_await gate.async_wait();
  passed += one;
}

}  // namespace

TEST_CASE("latch: opens when the count is zero, and stays open", "[latch]") {
  latch l(3);
  l.count_down(0);
  CHECK_FALSE(l.try_wait());
  l.count_down(2);
  CHECK_FALSE(l.try_wait());
  l.count_down(0);
  CHECK_FALSE(l.try_wait());
  l.count_down();
  CHECK(l.try_wait());
  l.wait();
  l.count_down(0);
  l.arrive_and_wait(0);
  CHECK(l.try_wait());
  latch one(1);
  one.arrive_and_wait();
  CHECK(one.try_wait());
}

TEST_CASE("latch: made with a count of zero, below it or above max(), it throws", "[latch][misuse]") {
  for (std::ptrdiff_t const count : {std::ptrdiff_t{0}, std::ptrdiff_t{-1}, PTRDIFF_MIN}) {
    CHECK(complaint_of([=] { latch l(count); }) == "a latch was made with a count of zero or less");
  }
  for (std::ptrdiff_t const count : {latch::max() + 1, PTRDIFF_MAX}) {
    CHECK(complaint_of([=] { latch l(count); }) == "a latch was made with a count above latch::max()");
  }
  latch greatest(latch::max());
  CHECK(has_left(greatest, latch::max()));
}

TEST_CASE("latch: counted down by too much or by less than nothing, it throws and changes nothing", "[latch][misuse]") {
  latch l(2);
  CHECK(speaks_of(complaint_of([&] { l.count_down(3); }), "by more than was left of its count"));
  CHECK(speaks_of(complaint_of([&] { l.count_down(-1); }), "by less than nothing"));
  CHECK_THROWS_AS(l.count_down(PTRDIFF_MIN), concur::misuse);
  CHECK_THROWS_AS(l.count_down(PTRDIFF_MAX), concur::misuse);
  CHECK_THROWS_AS(l.arrive_and_wait(3), concur::misuse);
  CHECK_THROWS_AS(l.arrive_and_wait(-1), concur::misuse);
  CHECK(has_left(l, 2));
  CHECK_THROWS_AS(l.count_down(), concur::misuse);
  CHECK_THROWS_AS(l.arrive_and_wait(), concur::misuse);
  CHECK(l.try_wait());
}

TEST_CASE("latch: counted down by too much while parties wait, it throws and nobody goes on", "[latch][misuse]") {
  latch l(2);
  queue_executor here;
  int passed = 0;
  auto const root = spawn(here, pass(l, passed));
  here.run_all();
  CHECK_THROWS_AS(l.count_down(3), concur::misuse);
  CHECK_THROWS_AS(l.count_down(-1), concur::misuse);
  here.run_all();
  CHECK(passed == 0);
  l.count_down(0);
  here.run_all();
  CHECK(passed == 0);
  CHECK(has_left(l, 2));
  here.run_all();
  CHECK(passed == 1);
}

TEST_CASE("latch: a task that counts down by too much is told, and has counted nothing", "[latch][misuse]") {
  latch l(2);
  queue_executor here;
  int passed = 0;
  for (std::ptrdiff_t count : {std::ptrdiff_t(3), std::ptrdiff_t(-1)}) {
    auto const root = spawn(here, arrive_and_pass(l, passed, count));
    here.run_all();
    REQUIRE(root->done());
    CHECK_THROWS_AS(root->result(), concur::misuse);
  }
  CHECK(has_left(l, 2));
  CHECK(passed == 0);
}

TEST_CASE("latch: every party that waits is let go by the last count_down", "[latch]") {
  auto const order = GENERATE(ready_order::first_in_first_out, ready_order::last_in_first_out, ready_order::shuffled);
  latch l(3);
  queue_executor here(order);
  int passed = 0;
  std::vector<std::unique_ptr<root_task<void>>> roots;
  for (int i = 0; i < 4; ++i) roots.push_back(spawn(here, pass(l, passed)));
  roots.push_back(spawn(here, arrive_and_pass(l, passed)));
  here.run_all();
  l.count_down();
  here.run_all();
  CHECK(passed == 0);
  l.count_down();
  CHECK(passed == 0);
  here.run_all();
  CHECK(passed == 5);
  CHECK(l.try_wait());

  auto const late = spawn(here, pass(l, passed));
  here.run_all();
  CHECK(passed == 6);
}

TEST_CASE("latch: threads meet at it, and each sees what the others did before", "[latch]") {
  constexpr std::size_t parties = 4;
  std::atomic<int> wrong{0};
  for (int round = 0; round < rounds(1'000); ++round) {
    latch l(parties);
    std::array<int, parties> done{};
    support::hammer crowd;
    for (std::size_t who = 0; who < parties; ++who) {
      crowd.add([&, who] {
        done[who] = 1;
        l.arrive_and_wait();
        for (int each : done) wrong.fetch_add(each != 1);
      });
    }
    crowd.run();
  }
  CHECK(wrong.load() == 0);
}

TEST_CASE("latch: time limits of every kind, open and not", "[latch]") {
  std::optional<latch> l(std::in_place, 1);
  auto const wait_for = [&l](auto const& length) { return l->wait_for(length); };
  auto const wait_until = [&l](auto const& moment) { return l->wait_until(moment); };
  support::check_limits_in_vain(wait_for, wait_until);
  support::check_limits_in_time(wait_for, wait_until, [&l] { l.emplace(1); }, [&l] { l->count_down(); });
  CHECK(l->try_wait());
  support::check_limits_at_once(wait_for, wait_until, [] {});
}

TEST_CASE("latch: what is left is not lost when the only one that waits gives up", "[latch]") {
  latch l(3);
  l.count_down();
  CHECK_FALSE(l.wait_for(std::chrono::microseconds(1)));
  CHECK(has_left(l, 2));
}

TEST_CASE("latch: a stop ends the wait, and an open latch is seen whatever the stop", "[latch]") {
  for (int round = 0; round < rounds(500); ++round) {
    latch l(1);
    concur::os::stop_source source;
    bool seen = true;
    std::thread waiting([&] { seen = l.wait(source.get_token()); });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(seen);
    REQUIRE_FALSE(l.wait(source.get_token()));
    l.count_down();
    REQUIRE(l.wait(source.get_token()));
  }
}

TEST_CASE("latch: opened with the limit or a stop, it was open", "[latch]") {
  latch timed(1);
  support::fake_fiber fiber([&timed] { timed.count_down(); }, support::fake_fiber::limit_passes);
  CHECK(fiber.run([&timed] { return timed.wait_for(std::chrono::seconds(1)); }));
  CHECK(fiber.wakes() == 1);

  latch stoppable(1);
  concur::os::stop_source source;
  support::fake_fiber stopped([&] {
    stoppable.count_down();
    source.request_stop();
  });
  CHECK(stopped.run([&] { return stoppable.wait(source.get_token()); }));

  latch closed(1);
  support::fake_fiber late([] {});
  CHECK_FALSE(late.run([&closed] { return closed.wait_for(std::chrono::seconds(1)); }));
  CHECK(late.wakes() == 0);
  closed.count_down();
}

TEST_CASE("latch: a cancel at any point counts nothing back, and nothing twice", "[latch]") {
  // What happens, one after the other: the task runs, the other count_down comes, the task runs.
  for (int steps_before_cancel = 0; steps_before_cancel <= 3; ++steps_before_cancel) {
    latch l(2);
    queue_executor here;
    int passed = 0;
    auto const root = spawn(here, arrive_and_pass(l, passed));
    if (steps_before_cancel >= 1) here.run_all();
    if (steps_before_cancel >= 2) l.count_down();
    if (steps_before_cancel >= 3) here.run_all();
    root->cancel();
    here.run_all();
    INFO("cancelled after " << steps_before_cancel << " steps");
    REQUIRE(root->done());
    CHECK(passed == (steps_before_cancel >= 2 ? 1 : 0));
    CHECK(root->was_cancelled() == (steps_before_cancel < 2));
    // Before it ran it had counted nothing; once it had run, what it counted stays.
    if (steps_before_cancel < 2) CHECK(has_left(l, 2 - steps_before_cancel));
    CHECK(l.try_wait());
  }
}

TEST_CASE("latch: a cancelled wait leaves the others waiting", "[latch]") {
  for (std::size_t leaving = 0; leaving < 3; ++leaving) {
    latch l(1);
    queue_executor here;
    int passed = 0;
    std::vector<std::unique_ptr<root_task<void>>> roots;
    for (int i = 0; i < 3; ++i) roots.push_back(spawn(here, pass(l, passed)));
    here.run_all();
    roots[leaving]->cancel();
    here.run_all();
    CHECK(roots[leaving]->was_cancelled());
    CHECK(passed == 0);
    l.count_down();
    here.run_all();
    CHECK(passed == 2);
  }
}

namespace {

test_task<> arrive_and_be_cancelled(latch& l) {
  auto const make = [&l] { return l.async_arrive_and_wait(); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("latch: a task cancelled after it has decided to wait is refused, and has counted", "[latch]") {
  latch l(2);
  queue_executor here;
  auto const root = spawn(here, arrive_and_be_cancelled(l));
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  CHECK(has_left(l, 1));
}

TEST_CASE("latch: a foreign coroutine waits on the executor of its thread", "[latch]") {
  latch l(2);
  queue_executor here;
  int passed = 0;
  {
    concur::executor_scope const this_thread(here);
    auto const coroutine = arrive_and_pass_foreign(l, passed);
    CHECK(passed == 0);
    l.count_down();
    CHECK(passed == 0);
    here.run_all();
    CHECK(passed == 2);
    REQUIRE(coroutine.done());
    coroutine.rethrow_error();
  }
  // Without an executor it may pass, but not wait.
  latch open(1);
  auto const lucky = arrive_and_pass_foreign(open, passed);
  CHECK(passed == 4);
  REQUIRE(lucky.done());
  latch closed(2);
  auto const homeless = arrive_and_pass_foreign(closed, passed);
  REQUIRE(homeless.done());
  CHECK_THROWS_AS(homeless.rethrow_error(), concur::misuse);
  CHECK(has_left(closed, 1));
}

namespace {

// A party that has waited destroys the latch, while the count_down that let it go may not have returned.
template <class Memory>
void the_waiter_may_destroy_it(int times) {
  support::the_waiter_may_destroy_it<Memory>(
      times, [](void* place) { return new (place) latch(2); },
      [](latch& mine, int i, auto offer) {
        offer();
        switch (i % 3) {
          case 0: mine.wait(); break;
          case 1:
            while (!mine.wait_for(std::chrono::microseconds(1))) {
            }
            break;
          default:
            while (!mine.try_wait()) concur::os::yield();
        }
      },
      [](latch& taken, auto fall_asleep) {
        taken.count_down();
        fall_asleep();
        taken.count_down();
      });
}

}  // namespace

TEST_CASE("latch: the party that waited may destroy it while count_down returns", "[latch]") {
  the_waiter_may_destroy_it<support::heap_allocated>(rounds(100'000));
}

TEST_CASE("latch: the party that waited may unmap its page while count_down returns", "[latch]") {
  the_waiter_may_destroy_it<support::own_page>(rounds(20'000));
}

namespace {

constexpr std::size_t everybody = 7;

// A latch for each round, and what each party wrote before it arrived.
struct round_of_all {
  latch gate{std::ptrdiff_t(everybody)};
  std::array<int, everybody> written{};

  // Returns whether everything is visible.
  bool all_written() const {
    for (int each : written) {
      if (each != 1) return false;
    }
    return true;
  }
};

test_task<> meet_in_all(std::vector<round_of_all>& all, std::size_t who, std::atomic<int>& wrong) {
  for (auto& round : all) {
    round.written[who] = 1;
    co_await round.gate.async_arrive_and_wait();
    if (!round.all_written()) wrong.fetch_add(1);
  }
}

test_task<> only_wait(std::vector<round_of_all>& all, std::atomic<int>& wrong) {
  for (auto& round : all) {
    co_await round.gate.async_wait();
    if (!round.all_written()) wrong.fetch_add(1);
  }
}

}  // namespace

TEST_CASE("latch: every form in one hammer, nobody passes early and nobody is left", "[latch]") {
  support::weather const with_and_without_signals(GENERATE(false, true));
  int const times = rounds(20'000);
  std::vector<round_of_all> all(std::size_t{unsigned(times)});
  std::atomic<int> wrong{0};
  {
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    auto const on_pool = spawn(pool, meet_in_all(all, 0, wrong));
    auto const also_on_pool = spawn(pool, meet_in_all(all, 1, wrong));
    auto const on_queue = spawn(here, meet_in_all(all, 2, wrong));
    support::hammer crowd;
    for (std::size_t who = 3; who < 5; ++who) {
      crowd.add([&, who] {
        for (auto& round : all) {
          round.written[who] = 1;
          round.gate.arrive_and_wait();
          if (!round.all_written()) wrong.fetch_add(1);
        }
      });
    }
    crowd.add([&] {
      for (auto& round : all) {
        round.written[5] = 1;
        round.gate.count_down();
        while (!round.gate.wait_for(std::chrono::microseconds(20))) {
        }
        if (!round.all_written()) wrong.fetch_add(1);
      }
    });
    crowd.add([&] {
      for (auto& round : all) {
        round.written[6] = 1;
        round.gate.count_down();
        concur::os::stop_source source;
        std::thread stopping;
        if (&round - all.data() < 200) stopping = std::thread([&source] { source.request_stop(); });
        if (!round.gate.wait(source.get_token())) round.gate.wait();
        if (!round.all_written()) wrong.fetch_add(1);
        if (stopping.joinable()) stopping.join();
      }
    });
    crowd.add([&] { here.run_until([&] { return on_queue->done(); }); });
    crowd.add([&] {
      // Cancelled while they wait, or when they have passed some of the open ones.
      for (int i = 0; i < times / 4; ++i) {
        auto const root = spawn(pool, only_wait(all, wrong));
        root->cancel();
        root->wait_until_done();
        if (root->failed()) wrong.fetch_add(1);
      }
    });
    crowd.run();
    on_pool->wait_until_done();
    also_on_pool->wait_until_done();
    CHECK_FALSE(on_pool->error());
    CHECK_FALSE(also_on_pool->error());
    CHECK_FALSE(on_queue->error());
  }
  CHECK(wrong.load() == 0);
}

TEST_CASE("latch: one in static storage", "[latch]") { CHECK(has_left(in_static_storage, 2)); }
