// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/shield.hpp>

#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/promise.hpp>
#include <concur/sync/event.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/test_executor.hpp"
#include "turned_executor.hpp"

#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::promise;
using concur::shield;
using concur::spawn;
using concur::task;
using support::is_cancelled;
using support::numbered_error;
using support::result_of;
using support::threads_executor;
using support::turned_executor;

static_assert(std::is_same_v<decltype(shield(std::declval<task<int>>())), task<int>>);

task<int> save(concur::event& disk, int& saved) {
  int const answer = 7;
  co_await disk.async_wait();
  co_await concur::yield();  // refused if the cancel got here
  ++saved;
  co_return answer;
}

task<> save_in_vain(concur::event& disk) {
  int const number = 3;
  co_await disk.async_wait();
  throw numbered_error{number};
}

}  // namespace

TEST_CASE("shield: of a task, it gives what the task gives", "[shield]") {
  static auto const moves = [](concur::event& e) -> task<std::unique_ptr<int>> {
    auto made = std::make_unique<int>(2);
    co_await e.async_wait();
    co_return made;
  };
  turned_executor here;
  concur::event disk;
  int saved = 0;
  auto f = spawn(here, shield(save(disk, saved)));
  auto g = spawn(here, shield(save_in_vain(disk)));
  auto h = spawn(here, shield(moves(disk)));
  here.run_all();
  disk.set();
  CHECK(result_of(here, f) == 7);
  CHECK(saved == 1);
  REQUIRE(g.done());
  CHECK(support::number_of(g.error()) == 3);
  CHECK(*h.get() == 2);
}

TEST_CASE("shield: a cancel ends the wait, and the task goes on", "[shield]") {
  auto const of_scope = GENERATE(false, true);
  static auto const in_scope = [](concur::cancel_scope& scope, concur::event& disk, int& saved) -> task<int> {
    std::optional<int> const got = co_await scope.run(shield(save(disk, saved)));
    co_return got.value_or(-1);
  };
  support::recorded_errors const hook;
  turned_executor here;
  concur::event disk;
  concur::cancel_scope scope;
  int saved = 0;
  auto f = spawn(here, of_scope ? in_scope(scope, disk, saved) : shield(save(disk, saved)));
  here.run_all();
  if (of_scope) {
    scope.cancel();
    CHECK(result_of(here, f) == -1);
  } else {
    f.cancel();
    here.run_all();
    REQUIRE(f.done());
    CHECK(is_cancelled(f.error()));
  }
  CHECK(saved == 0);
  disk.set();
  here.run_all();
  CHECK(saved == 1);
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("shield: an outcome that was there before the cancel counts", "[shield]") {
  turned_executor here;
  concur::event disk;
  int saved = 0;
  auto f = spawn(here, shield(save(disk, saved)));
  here.run_all();
  disk.set();
  while (saved == 0) REQUIRE(here.run_one());
  f.cancel();
  CHECK(result_of(here, f) == 7);
}

TEST_CASE("shield: an error that comes after the cancel goes to the hook", "[shield]") {
  support::recorded_errors const hook;
  turned_executor here;
  concur::event disk;
  auto f = spawn(here, shield(save_in_vain(disk)));
  here.run_all();
  f.cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
  disk.set();
  here.run_all();
  CHECK(support::recorded_errors::all().size() == 1);
}

TEST_CASE("shield: in a cancelled task the operation is started all the same", "[shield]") {
  static auto const tidies_up = [](concur::event& never_set, concur::event& disk, int& saved) -> task<bool> {
    bool refused = false;
    try {
      co_await never_set.async_wait();
    } catch (concur::cancelled const&) {
      refused = true;
    }
    if (refused) co_await shield(save(disk, saved));
    co_return refused;
  };
  turned_executor here;
  concur::event never_set, disk(true);
  int saved = 0;
  auto f = spawn(here, tidies_up(never_set, disk, saved));
  here.run_all();
  f.cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
  CHECK(saved == 1);
}

TEST_CASE("shield: its executor still ends it", "[shield]") {
  turned_executor here;
  concur::event disk;
  int saved = 0;
  auto f = spawn(here, shield(save(disk, saved)));
  here.run_all();
  here.tasks().cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
  disk.set();
  here.run_all();
  CHECK(saved == 0);
}

TEST_CASE("shield: a callable and its arguments live as long as their task", "[shield]") {
  turned_executor here;
  concur::event e;
  auto const owned = std::make_shared<int>(6);
  std::size_t result = 0;
  auto f = spawn(here, [&] {
    auto job = [owned](std::string text, concur::event& wanted, std::size_t& out) -> task<> {
      co_await wanted.async_wait();
      out = text.size() + std::size_t(*owned);
    };
    return shield(std::move(job), std::string("abc"), std::ref(e), std::ref(result));
  }());
  here.run_all();
  f.cancel();
  here.run_all();
  CHECK(f.done());
  CHECK(owned.use_count() == 2);
  e.set();
  here.run_all();
  CHECK(result == 9);
  CHECK(owned.use_count() == 1);
}

TEST_CASE("shield: a future stays the caller's, and can be awaited again", "[shield]") {
  static auto const waits = [](future<int>& wanted) -> task<int> {
    std::optional<int> const first = co_await concur::move_on_after(1s, shield(wanted));
    CHECK_FALSE(first);
    co_return co_await shield(wanted);
  };
  turned_executor here;
  promise<int> p;
  auto wanted = p.get_future();
  auto f = spawn(here, waits(wanted));
  here.run_all();
  here.turn(1s);
  here.run_all();
  CHECK_FALSE(p.cancelled());
  CHECK_FALSE(f.done());
  p.set_value(4);
  CHECK(result_of(here, f) == 4);
  CHECK_FALSE(wanted.valid());  // it was taken
}

TEST_CASE("shield: a shared future is not cancelled either", "[shield]") {
  static auto const waits = [](concur::shared_future<int> wanted) -> task<int> {
    std::optional<std::reference_wrapper<int const>> const first = co_await concur::move_on_after(1s, shield(wanted));
    CHECK_FALSE(first);
    co_return co_await shield(wanted);
  };
  turned_executor here;
  promise<int> p;
  auto f = spawn(here, waits(p.get_future().share()));
  here.run_all();
  here.turn(1s);
  here.run_all();
  CHECK_FALSE(p.cancelled());
  p.set_value(5);
  CHECK(result_of(here, f) == 5);
}

TEST_CASE("shield: of an empty task or future it is misuse", "[shield]") {
  CHECK_THROWS_AS(shield(task<int>()), concur::misuse);
  future<int> none;
  CHECK_THROWS_AS(shield(none), concur::misuse);
}

TEST_CASE("shield: at every allocation that fails, the operation runs whole or not at all", "[shield]") {
  if (!support::failing_new::available()) return;
  bool happened = true;
  int failures = 0;
  for (int k = 1; happened; ++k) {
    turned_executor here;
    concur::event disk(true);
    int saved = 0;
    bool failed = false;
    {
      support::failing_new const shortage(k);
      try {
        auto f = spawn(here, shield(save(disk, saved)));
        here.run_all();
        f.get();
      } catch (std::bad_alloc const&) {
        failed = true;
      }
      happened = shortage.happened();
    }
    here.run_all();
    failures += failed;
    CHECK(saved == (failed ? 0 : 1));
  }
  if (concur::os::watches_memory) CHECK(failures > 0);  // else the blocks may have been at hand
}

TEST_CASE("shield: cancels beside the end, on many threads", "[shield]") {
  constexpr int rounds = 200;
  static auto const work = [](concur::event& e, std::atomic<int>& begun, std::atomic<int>& ended) -> task<int> {
    int const answer = 1;
    ++begun;
    co_await e.async_wait();
    co_await concur::yield();
    ++ended;
    co_return answer;
  };
  std::vector<concur::event> gates(rounds);
  std::atomic<int> begun{0}, ended{0};
  int values = 0, cancels = 0;
  {
    threads_executor pool(3);
    for (auto& gate : gates) {
      auto f = spawn(pool, shield(work(gate, begun, ended)));
      std::thread canceller([&] { f.cancel(); });
      gate.set();
      f.wait();
      canceller.join();
      if (f.error() == nullptr) {
        values += f.get();
      } else {
        cancels += is_cancelled(f.error());
      }
    }
  }  // runs what is left
  CHECK(values + cancels == rounds);
  CHECK(ended == begun);
  CHECK(values <= ended);
}
