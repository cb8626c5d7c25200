// SPDX-License-Identifier: BSL-1.0
#include <concur/core/hop.hpp>

#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/test_task.hpp"
#include "coro_support.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::executor;
using concur::hop_to;
using concur::spawn;
using concur::task;
using support::hand_loop;
using support::threads_executor;

executor* here() { return concur::current_executor(); }

struct two {
  hand_loop home;
  hand_loop away;

  int run_all() {
    int count = 0;
    while (home.run_one() || away.run_one()) ++count;
    return count;
  }
};

task<int> go_and_return(two& at, bool& was_away) {
  int const one = 1;
  co_await hop_to(at.away);
  was_away = here() == &at.away && &concur::current_task()->where() == &at.away;
  co_return one;
}

task<> go_and_fail(two& at) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await hop_to(at.away);
  throw std::runtime_error("away");
}

}  // namespace

TEST_CASE("hop: who awaits a coroutine that moved goes on where it was", "[hop]") {
  static auto const parent = [](two& at, std::vector<bool>& facts) -> task<int> {
    bool was_away = false;
    int const sum = co_await go_and_return(at, was_away);
    facts.push_back(was_away);
    facts.push_back(here() == &at.home);
    try {
      co_await go_and_fail(at);
      facts.push_back(false);
    } catch (std::runtime_error const&) {
      facts.push_back(here() == &at.home);
    }
    co_return sum;
  };
  two at;
  std::vector<bool> facts;
  auto f = spawn(at.home, parent(at, facts));
  at.run_all();
  CHECK(f.get() == 1);
  CHECK(facts == std::vector<bool>{true, true, true});
  CHECK(at.home.ended() == 1);
}

TEST_CASE("hop: a spawned task that moved ends at home, and its future is done only then", "[hop]") {
  bool const fails = GENERATE(false, true);
  static auto const moves = [](two& at, bool failing) -> task<int> {
    co_await hop_to(at.away);
    if (failing) throw std::runtime_error("away");
    co_return 5;
  };
  two at;
  auto f = spawn(at.home, moves(at, fails));
  CHECK(at.home.run_all() == 1);
  CHECK_FALSE(f.done());
  CHECK(at.away.run_all() == 1);
  CHECK_FALSE(f.done());
  CHECK_FALSE(at.home.tasks().empty());
  CHECK(at.home.run_all() == 1);
  REQUIRE(f.done());
  CHECK(at.home.ended() == 1);
  CHECK(at.home.tasks().empty());
  if (fails) {
    CHECK_THROWS_AS(f.get(), std::runtime_error);
  } else {
    CHECK(f.get() == 5);
  }
}

TEST_CASE("hop: to where the task is already, it lets others go first", "[hop][in_order]") {
  static auto const letters = [](executor& where, std::string& log, char what) -> task<> {
    for (int i = 0; i < 2; ++i) {
      log.push_back(what);
      co_await hop_to(where);
    }
  };
  hand_loop loop;
  std::string log;
  auto a = spawn(loop, letters(loop, log, 'a'));
  auto b = spawn(loop, letters(loop, log, 'b'));
  loop.run_all();
  CHECK(log == "abab");
  a.get();
  b.get();
}

namespace {

// A tree of moves: each level goes to another place, several times, and comes from wherever its parent was.
task<int> wander(std::vector<executor*> const& places, std::size_t depth) {
  executor* const from = here();
  int wrong = 0;
  for (std::size_t i = 0; i < depth % 3 + 1; ++i) {
    executor* const next = places[(depth * 7 + i * 5) % places.size()];
    co_await hop_to(*next);
    wrong += here() == next ? 0 : 1;
    if (depth > 0) wrong += co_await wander(places, depth - 1);
    wrong += here() == next ? 0 : 1;
  }
  if (depth % 2 == 0) co_await hop_to(*from);  // or leaves it to the end
  co_return wrong;
}

}  // namespace

TEST_CASE("hop: moved children of moved children, each with several moves", "[hop]") {
  std::vector<std::unique_ptr<hand_loop>> loops;
  std::vector<executor*> places;
  for (int i = 0; i < 3; ++i) places.push_back(loops.emplace_back(std::make_unique<hand_loop>()).get());
  static auto const root = [](std::vector<executor*> const& where) -> task<int> {
    int wrong = co_await wander(where, 6);
    wrong += here() == where[0] ? 0 : 1;
    co_return wrong;
  };
  auto f = spawn(*places[0], root(places));
  for (bool ran = true; ran;) {
    ran = false;
    for (auto& each : loops) ran = each->run_one() || ran;
  }
  REQUIRE(f.done());
  CHECK(f.get() == 0);
  CHECK(loops[0]->tasks().empty());
}

TEST_CASE("hop: the same between threads", "[hop]") {
  threads_executor a(1), b(1), c(2);
  std::vector<executor*> const places{&a, &b, &c};
  std::vector<concur::future<int>> all;
  for (int i = 0; i < support::rounds(20); ++i) all.push_back(spawn(*places[std::size_t(i) % 3], wander(places, 4)));
  for (auto& f : all) CHECK(f.get() == 0);
}

TEST_CASE("hop: a task that is cancelled does not move", "[hop]") {
  static auto const stubborn = [](two& at, concur::event& never_set, bool& stayed) -> task<> {
    int const nothing = 0;
    static_cast<void>(nothing);
    try {
      co_await never_set.async_wait();
    } catch (concur::cancelled const&) {
    }
    try {
      co_await hop_to(at.away);
    } catch (concur::cancelled const&) {
      stayed = here() == &at.home;
    }
  };
  two at;
  concur::event never_set;
  bool stayed = false;
  auto f = spawn(at.home, stubborn(at, never_set, stayed));
  at.run_all();
  f.cancel();
  at.run_all();
  REQUIRE(f.done());
  CHECK(stayed);
  f.get();
}

TEST_CASE("hop: a cancel on the way strikes at the next wait, and the task ends at home", "[hop]") {
  static auto const moves = [](two& at, concur::event& e) -> task<> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await hop_to(at.away);
    co_await e.async_wait();
  };
  concur::event is_set(true), never_set;
  for (int step = 0; step < 4; ++step) {
    INFO(step);
    two at;
    auto f = spawn(at.home, moves(at, step % 2 == 0 ? is_set : never_set));
    at.home.run_one();  // it is queued away
    if (step >= 2) at.away.run_one();
    bool const was_at_its_end = step == 2;
    f.cancel();
    at.run_all();
    REQUIRE(f.done());
    CHECK(at.home.ended() == 1);
    if (was_at_its_end) {
      f.get();
    } else {
      CHECK_THROWS_AS(f.get(), concur::cancelled);
    }
  }
}

TEST_CASE("hop: a task of one thread is cancelled from its home while it waits on another thread", "[hop]") {
  static auto const moves = [](executor& pool, concur::semaphore& s, std::atomic<int>& away) -> task<> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await hop_to(pool);
    away.fetch_add(1);
    co_await s.async_acquire();
    co_await concur::sleep_for(1h);
  };
  hand_loop home;
  threads_executor pool(2);
  for (int i = 0; i < support::rounds(300); ++i) {
    concur::semaphore s(std::size_t(i) % 2);
    std::atomic<int> away{0};
    auto f = spawn(home, moves(pool, s, away));
    home.run_until([&] { return away.load() == 1; });
    for (int pause = i % 30 * 20; pause > 0; --pause) concur::os::spin_pause();
    f.cancel();
    home.run_until([&] { return f.done(); });
    CHECK_THROWS_AS(f.get(), concur::cancelled);
    CHECK(home.ended() == i + 1);
  }
  CHECK_FALSE(home.was_misused());
}

TEST_CASE("hop: a task of several threads is cancelled by any of them while it sleeps on a loop", "[hop]") {
  static auto const sleeps = [](executor& loop, std::atomic<int>& there) -> task<> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await hop_to(loop);
    there.fetch_add(1);
    co_await concur::sleep_for(1h);
  };
  hand_loop loop;
  threads_executor pool(1);
  CHECK_FALSE(loop.tasks().shared());
  for (int i = 0; i < support::rounds(300); ++i) {
    std::atomic<int> there{0};
    auto f = spawn(pool, sleeps(loop, there));
    std::thread other([&] {
      while (there.load() == 0) concur::os::yield();
      for (int pause = i % 30 * 20; pause > 0; --pause) concur::os::spin_pause();
      f.cancel();
    });
    loop.run_until([&] { return f.done(); });
    other.join();
    CHECK_THROWS_AS(f.get(), concur::cancelled);
    CHECK(loop.sleepers() == 0);
  }
  CHECK(loop.tasks().shared());
  CHECK_FALSE(loop.was_misused());
}

TEST_CASE("hop: a task that only lets others go first leaves its loop to one thread", "[hop]") {
  static auto const turns = [](executor& loop) -> task<> {
    for (int i = 0; i < 3; ++i) co_await hop_to(loop);
  };
  hand_loop loop;
  auto f = spawn(loop, turns(loop));
  loop.run_all();
  f.get();
  CHECK_FALSE(loop.tasks().shared());
}

TEST_CASE("hop: many tasks of two pools go to and fro, and some are cancelled", "[hop]") {
  static auto const child = [](executor& other, int& local) -> task<> {
    ++local;
    co_await hop_to(other);
    ++local;
    co_await concur::sleep_for(std::chrono::microseconds(20));
    ++local;
  };
  static auto const goes = [](executor& other, concur::semaphore& s) -> task<int> {
    int local = 0;
    for (int i = 0; i < 5; ++i) {
      co_await child(other, local);
      s.release();
      co_await s.async_acquire();
    }
    co_return local;
  };
  threads_executor one(2), other(1);
  concur::semaphore s(0);
  std::vector<concur::future<int>> all;
  for (int i = 0; i < support::rounds(300); ++i) all.push_back(spawn(one, goes(other, s)));
  for (std::size_t i = 0; i < all.size(); i += 3) all[i].cancel();
  int whole = 0;
  int refused = 0;
  for (auto& f : all) {
    try {
      int const steps = f.get();
      CHECK(steps == 15);
      ++whole;
    } catch (concur::cancelled const&) {
      ++refused;
    }
  }
  CHECK(std::size_t(whole + refused) == all.size());
  CHECK(std::size_t(refused) <= (all.size() + 2) / 3);
}

TEST_CASE("hop: a coroutine of another type moves for good", "[hop]") {
  static auto const moves = [](executor& where, executor*& found) -> support::test_task<> {
    co_await hop_to(where);
    found = here();
  };
  support::queue_executor one, other;
  executor* found = nullptr;
  auto const root = support::spawn(one, moves(other, found));
  one.run_all();
  CHECK(found == nullptr);
  other.run_all();
  CHECK(found == &other);
  CHECK(root->done());
}

TEST_CASE("hop: what it has to remember may not be had", "[hop]") {
  if (!support::failing_new::available() || !concur::os::watches_memory) return;
  static auto const tries = [](two& at, int k, bool& happened) -> task<bool> {
    bool stayed = false;
    try {
      support::failing_new const shortage(k);
      co_await hop_to(at.away);
      happened = shortage.happened();
    } catch (std::bad_alloc const&) {
      stayed = here() == &at.home;
    }
    co_return stayed;
  };
  two at;
  bool happened = false;
  auto f = spawn(at.home, tries(at, 1, happened));
  at.run_all();
  CHECK(f.get());
}
