// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/timeout.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/promise.hpp>
#include <concur/queue/queue.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/test_executor.hpp"
#include "turned_executor.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::move_on_after;
using concur::move_on_at;
using concur::promise;
using concur::spawn;
using concur::task;
using concur::timed_out;
using concur::timeout;
using concur::timeout_at;
using support::is_cancelled;
using support::result_of;
using support::threads_executor;
using support::turned_executor;

template <class T>
using timeout_of = decltype(timeout(1s, std::declval<T>()));
template <class T>
using move_on_of = decltype(move_on_after(1s, std::declval<T>()));

// What can own its operation is a task.
static_assert(std::is_same_v<timeout_of<task<int>>, task<int>>);
static_assert(std::is_same_v<timeout_of<task<int&>>, task<int&>>);
static_assert(std::is_same_v<timeout_of<future<int>>, task<int>>);
static_assert(std::is_same_v<timeout_of<task<int> (*)()>, task<int>>);
static_assert(std::is_same_v<move_on_of<task<int>>, task<std::optional<int>>>);
static_assert(std::is_same_v<move_on_of<task<int&>>, task<std::optional<std::reference_wrapper<int>>>>);
static_assert(std::is_same_v<move_on_of<task<>>, task<bool>>);

// What cannot is awaited at once, as a temporary, and stays where it is.
using limited_get = timeout_of<decltype(std::declval<concur::queue<int>&>().async_get())>;
static_assert(!std::is_copy_constructible_v<limited_get> && !std::is_move_constructible_v<limited_get>);
template <class T>
concept awaitable_as = requires(T&& each) { std::forward<T>(each).operator co_await(); };
static_assert(awaitable_as<limited_get> && !awaitable_as<limited_get&>);
static_assert(awaitable_as<timeout_of<future<int>&>>);

task<int> at_once(int value) {
  int const given = value;
  co_return given;
}

task<int> after(concur::event& e, int value) {
  int const given = value;
  co_await e.async_wait();
  co_return given;
}

/// Uses a permit if it gets one in time, and then says whether it got an item in time.
task<int> both(concur::semaphore& permits, concur::queue<int>& items, int microseconds) {
  auto const limit = std::chrono::microseconds(microseconds);
  bool const got = co_await move_on_after(limit, permits.async_acquire());
  co_await concur::yield();
  if (got) permits.release();
  std::optional<int> const item = co_await move_on_after(limit, items.async_get());
  co_return item ? 1 : 0;
}
/// There were two of each.
void check_what_is_left(concur::semaphore& permits, concur::queue<int>& items, int got) {
  int left = 0;
  while (items.try_get()) ++left;
  CHECK(got + left == 2);
  int permits_left = 0;
  while (permits.try_acquire()) ++permits_left;
  CHECK(permits_left == 2);
}

}  // namespace

TEST_CASE("timeout: an operation in time gives its value, and no timer is left", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(2s, after(e, 3)));
  here.run_all();
  CHECK(here.armed() == 1);
  here.turn(1999ms);
  e.set();
  CHECK(result_of(here, f) == 3);
  CHECK(here.armed() == 0);
}

TEST_CASE("timeout: an operation that gave up at the limit is timed_out", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(2s, after(e, 3)));
  here.run_all();
  here.turn(2s);
  here.run_all();
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), timed_out);
}

TEST_CASE("timeout: what succeeded before the limit struck counts", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(2s, after(e, 3)));
  here.run_all();
  auto const wake_first = GENERATE(true, false);
  if (wake_first) e.set();
  here.turn(2s);  // the item is queued
  if (!wake_first) e.set();
  CHECK(result_of(here, f) == 3);
  here.run_all();
}

TEST_CASE("timeout: what ends without waiting needs no timer", "[timeout]") {
  turned_executor here;
  auto const limit = GENERATE(std::chrono::nanoseconds(-1h), std::chrono::nanoseconds(0), std::chrono::nanoseconds(1s));
  auto f = spawn(here, timeout(limit, at_once(4)));
  CHECK(result_of(here, f) == 4);
  CHECK(here.armed_ever() == 0);
}

TEST_CASE("timeout: a limit of zero or less lets the operation begin, and ends its first wait", "[timeout]") {
  auto const limit =
      GENERATE(std::chrono::nanoseconds::min(), std::chrono::nanoseconds(-1), std::chrono::nanoseconds(0));
  static auto const begins = [](bool& begun, concur::event& is_set, concur::event& never_set) -> task<> {
    co_await is_set.async_wait();  // has nothing to wait for
    begun = true;
    co_await never_set.async_wait();
  };
  turned_executor here;
  concur::event is_set(true), never_set;
  bool begun = false;
  auto f = spawn(here, timeout(limit, begins(begun, is_set, never_set)));
  CHECK(here.run_one());  // at once
  CHECK(begun);
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), timed_out);
  CHECK(here.armed_ever() == 0);

  auto g = spawn(here, move_on_at(here.now() - 1s, after(never_set, 1)));
  CHECK_FALSE(result_of(here, g));
}

TEST_CASE("timeout: the greatest limits are none", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(std::chrono::hours::max(), after(e, 3)));
  auto g = spawn(here, move_on_at(concur::time_point::max(), after(e, 4)));
  auto h = spawn(here, timeout_at(std::chrono::system_clock::time_point::max(), after(e, 5)));
  here.run_all();
  CHECK(here.armed_ever() == 0);
  e.set();
  here.run_all();
  CHECK(f.get() == 3);
  CHECK(g.get() == 4);
  CHECK(h.get() == 5);
}

TEST_CASE("timeout: until a moment", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout_at(here.now() + 3s, after(e, 3)));
  auto g = spawn(here, move_on_at(here.now() + 2s, after(e, 4)));
  auto h = spawn(here, move_on_at(std::chrono::system_clock::now() + 24h, after(e, 5)));
  here.run_all();
  here.turn(2s);
  here.run_all();
  REQUIRE(g.done());
  CHECK_FALSE(g.get());
  CHECK_FALSE(f.done());
  here.turn(1s);
  here.run_all();
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), timed_out);
  CHECK_FALSE(h.done());
  here.turn(24h);
  CHECK_FALSE(result_of(here, h));
}

TEST_CASE("timeout: everything that can be awaited", "[timeout]") {
  static auto const all = [](concur::queue<std::unique_ptr<int>>& q, concur::event& e, concur::semaphore& s,
                             int& done) -> task<> {
    std::unique_ptr<int> const first = co_await timeout(1s, q.async_get());
    CHECK(*first == 1);
    std::optional<std::unique_ptr<int>> const second = co_await move_on_after(1s, q.async_get());
    CHECK_FALSE(second);
    bool const acquired = co_await move_on_after(1s, s.async_acquire());
    CHECK_FALSE(acquired);
    co_await timeout(1s, concur::yield());
    co_await timeout(1s, concur::sleep_for(1ms));
    bool const slept = co_await move_on_after(1s, concur::sleep_for(1h));
    CHECK_FALSE(slept);
    int const of_future = co_await timeout(1s, spawn(after(e, 3)));
    CHECK(of_future == 3);
    concur::shared_future<int> const shared = spawn(after(e, 4)).share();
    int const& of_shared = co_await timeout(1s, shared);
    CHECK(&of_shared == &shared.get());
    // The inner one of two limits strikes first.
    std::optional<int> nested;
    try {
      nested = co_await move_on_after(2s, timeout(1s, concur::sleep_for(1h)));
    } catch (timed_out const&) {
      nested = 5;
    }
    CHECK(nested == 5);
    bool const outer_first = co_await move_on_after(1s, timeout(2s, concur::sleep_for(1h)));
    CHECK_FALSE(outer_first);
    ++done;
  };
  turned_executor here;
  concur::queue<std::unique_ptr<int>> q(2);
  concur::event e(true);
  concur::semaphore s(0);
  int done = 0;
  q.put(std::make_unique<int>(1));
  auto f = spawn(here, all(q, e, s, done));
  for (int i = 0; i < 30 && !f.done(); ++i) {
    here.run_all();
    here.turn(500ms);
  }
  REQUIRE(f.done());
  f.get();
  CHECK(done == 1);
  CHECK(here.armed() == 0);
}

TEST_CASE("timeout: a limit of zero takes what is there", "[timeout]") {
  static auto const take_two = [](concur::queue<int>& q) -> task<int> {
    std::optional<int> const first = co_await move_on_after(0s, q.async_get());
    std::optional<int> const second = co_await move_on_after(0s, q.async_get());
    co_return first.value_or(-1) * 10 + second.value_or(-1);
  };
  turned_executor here;
  concur::queue<int> q(2);
  q.put(5);
  auto f = spawn(here, take_two(q));
  CHECK(result_of(here, f) == 49);
}

TEST_CASE("timeout: a future is cancelled at the limit and waited for, owned or not", "[timeout]") {
  static auto const slow_to_end = [](concur::event& wanted, concur::event& may_end, bool& ended) -> task<int> {
    int const answer = 1;
    try {
      co_await wanted.async_wait();
    } catch (concur::cancelled const&) {
    }
    // Not to be refused: the future of another party.
    while (!may_end.is_set()) {
      try {
        co_await concur::yield();
      } catch (concur::cancelled const&) {
        break;
      }
    }
    ended = true;
    co_await concur::yield();
    co_return answer;
  };
  static auto const by_name = [](future<int> f) -> task<std::optional<int>> {
    std::optional<int> got = co_await move_on_after(1s, f);
    co_return got;
  };
  auto const owned = GENERATE(false, true);
  turned_executor here;
  concur::event wanted, may_end;
  bool ended = false;
  auto slow = spawn(here, slow_to_end(wanted, may_end, ended));
  auto f = owned ? spawn(here, move_on_after(1s, std::move(slow))) : spawn(here, by_name(std::move(slow)));
  here.run_all();
  CHECK_FALSE(f.done());
  here.turn(1s);
  here.run_all();
  CHECK(ended);
  CHECK_FALSE(result_of(here, f));
}

TEST_CASE("timeout: a promise that answers the cancel with a value wins", "[timeout]") {
  turned_executor here;
  promise<int> p;
  auto f = spawn(here, timeout(1s, p.get_future()));
  CHECK(p.begin());
  here.run_all();
  here.turn(1s);
  here.run_all();
  CHECK(p.cancelled());
  CHECK_FALSE(f.done());
  p.set_value(8);
  CHECK(result_of(here, f) == 8);
}

TEST_CASE("timeout: trap C10: a callable and its arguments live as long as their task", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto const owned = std::make_shared<int>(6);
  {
    auto f = spawn(here, [&] {
      auto job = [owned](std::string text, concur::event& wanted) -> task<std::size_t> {
        co_await wanted.async_wait();
        co_return text.size() + std::size_t(*owned);
      };
      return timeout(1s, std::move(job), std::string("abc"), std::ref(e));
    }());
    here.run_all();
    CHECK(owned.use_count() == 2);
    e.set();
    CHECK(result_of(here, f) == 9);
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("timeout: it destroys what never began without a word", "[timeout]") {
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(1s, after(e, 1)));
  f.cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
  CHECK_THROWS_AS(timeout(1s, task<int>()), concur::misuse);
}

TEST_CASE("timeout: a cancel of the task is no time-out", "[timeout]") {
  auto const limit_too = GENERATE(false, true);
  turned_executor here;
  concur::event e;
  auto f = spawn(here, timeout(1s, after(e, 1)));
  here.run_all();
  if (limit_too) here.turn(1s);
  f.cancel();
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
  CHECK(here.armed() == 0);
}

TEST_CASE("timeout: a cancelled future of somebody else is no time-out", "[timeout]") {
  turned_executor here;
  promise<int> p;
  auto f = spawn(here, timeout(1s, p.get_future()));
  here.run_all();
  p.set_error(concur::cancelled());
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
}

TEST_CASE("timeout: the limit counts from the start of the operation", "[timeout]") {
  static auto const busy = [](turned_executor& where, concur::event& e) -> task<> {
    where.turn(3s);  // it computes
    co_await e.async_wait();
  };
  turned_executor here;
  concur::event e;
  auto f = spawn(here, move_on_after(2s, busy(here, e)));
  here.turn(5s);  // before it starts
  CHECK_FALSE(result_of(here, f));
}

TEST_CASE("timeout: an operation that moves to a pool", "[timeout]") {
  static auto const away = [](threads_executor& pool, concur::event& arrived, concur::event& e) -> task<int> {
    int const answer = 2;
    co_await concur::hop_to(pool);
    arrived.set();
    co_await e.async_wait();
    co_return answer;
  };
  for (int round = 0; round < 50; ++round) {
    threads_executor pool(2);
    turned_executor here;
    concur::event arrived, e;
    auto f = spawn(here, move_on_after(1s, away(pool, arrived, e)));
    here.run_all();
    if (round % 2 == 0) arrived.wait();
    bool const both = round % 3 == 0;
    if (both) std::thread([&] { e.set(); }).join();
    here.turn(1s);
    here.run_until([&] { return f.done(); });
    auto const got = f.get();
    CHECK((!got || (both && *got == 2)));
    CHECK(here.armed() == 0);
  }
}

TEST_CASE("timeout: no depth of nesting exhausts the stack", "[timeout][one_item]") {
  static auto const nest = [](auto const& self, int depth) -> task<int> {
    int const left = depth;
    if (left == 0) co_return 0;
    co_return 1 + co_await timeout(1h, self(self, left - 1));
  };
  constexpr int depth = 20'000;
  turned_executor here;
  auto f = spawn(here, nest(nest, depth));
  CHECK(result_of(here, f) == depth);
  CHECK(here.armed() == 0);
}

TEST_CASE("timeout: at every allocation that fails, nothing is lost", "[timeout]") {
  if (!support::failing_new::available()) return;
  static auto const all = [](concur::queue<int>& q) -> task<int> {
    int sum = co_await timeout(2s, q.async_get());
    sum += co_await timeout(2s, spawn(at_once(1)));
    sum += co_await timeout(2s, at_once, 1);
    bool const slept = co_await move_on_after(1s, concur::sleep_for(1h));
    co_return slept ? 100 : sum;
  };
  int failures = 0;
  bool happened = true;
  for (int k = 1; happened; ++k) {
    turned_executor here;
    concur::queue<int> q(2);
    q.put(1);
    std::optional<int> got;
    {
      support::failing_new const shortage(k);
      try {
        auto f = spawn(here, all(q));
        here.run_all();
        here.turn(1s);
        here.run_all();
        got = f.get();
      } catch (std::bad_alloc const&) {
        ++failures;
      }
      happened = shortage.happened();
    }
    here.run_all();
    CHECK((!got || *got == 3));
    CHECK(here.armed() == 0);
  }
  if (concur::os::watches_memory) CHECK(failures > 0);  // else the blocks may have been at hand
}

TEST_CASE("timeout: in whatever order the executor runs what is ready", "[timeout][every_order]") {
  support::in_every_order([](support::order which) {
    support::queue_executor here(which);
    concur::semaphore permits(0);
    concur::queue<int> items(100);
    std::vector<future<int>> all;
    for (unsigned i = 0; i < 8; ++i) all.push_back(spawn(here, both(permits, items, int((which.seed + i) % 9 * 10))));
    if (which.seed % 2 == 0) here.run_ready();
    permits.release(2);
    items.put(1);
    here.run_ready();
    items.put(1);
    int got = 0;
    for (auto& f : all) {
      here.run_until([&] { return f.done(); });
      got += f.get();
    }
    check_what_is_left(permits, items, got);
  });
}

TEST_CASE("timeout: limits that pass beside the wake, on many threads", "[timeout]") {
  threads_executor pool(3);
  concur::semaphore permits(0);
  concur::queue<int> items(100);
  for (int round = 0; round < 200; ++round) {
    std::vector<future<int>> all;
    for (int i = 0; i < 6; ++i) all.push_back(spawn(pool, both(permits, items, (round + i) % 60)));
    permits.release(2);
    items.put(1);
    items.put(1);
    int got = 0;
    for (auto& f : all) got += f.get();
    check_what_is_left(permits, items, got);
  }
}

TEST_CASE("timeout: cancels, limits and wakes at the same time, on many threads", "[timeout]") {
  threads_executor pool(3);
  static auto const inside = [](concur::event& e, int microseconds) -> task<int> {
    auto const limit = std::chrono::microseconds(microseconds);
    bool const set = co_await move_on_after(limit * 2, timeout(limit, e.async_wait()));
    co_return set ? 1 : 0;
  };
  for (int round = 0; round < 200; ++round) {
    concur::event e;
    auto f = spawn(pool, inside(e, round % 50));
    std::thread setter([&] { e.set(); });
    f.cancel();
    int how = 0;
    try {
      how = 1 + f.get();
    } catch (timed_out const&) {
      how = 3;
    } catch (concur::cancelled const&) {
      how = 4;
    }
    setter.join();
    CHECK(how != 0);
  }
}
