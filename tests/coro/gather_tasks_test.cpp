// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/gather.hpp>

#include "nursery_support.hpp"

#include <concur/core/hop.hpp>
#include <concur/future/promise.hpp>
#include <concur/queue/queue.hpp>

#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace {

using concur::collect_outcomes;
using concur::gather;
using concur::spawn;
using concur::task;
using concur::yield;
using support::alive;
using support::cancel_at_every_step;
using support::fails_after;
using support::failure;
using support::hand_loop;
using support::queue_executor;
using support::rounds;
using support::uses_permit;
using support::value_after;
using support::value_of;
using support::waits_for_ever;

task<std::unique_ptr<int>> boxed(int value) {
  co_await yield();
  co_return std::make_unique<int>(value);
}
task<> nothing() { co_await yield(); }
task<int&> same(int& object) {
  co_await yield();
  co_return object;
}

task<> notes(std::vector<int>& log, int number) {
  log.push_back(number);
  co_await yield();
  log.push_back(-number);
}

std::vector<int> numbers_of(concur::multiple_errors const& all) {
  std::vector<int> numbers;
  for (auto const& error : all.errors()) {
    try {
      std::rethrow_exception(error);
    } catch (failure const& e) {
      numbers.push_back(e.number);
    } catch (concur::cancelled const&) {
      numbers.push_back(-1);
    }
  }
  return numbers;
}

}  // namespace

TEST_CASE("gather of tasks: the values in the order of the arguments, whatever their types", "[coro]") {
  int object = 7;
  auto all = [](int& o) -> task<> {
    auto values = co_await gather(value_after(5, 1), boxed(2), nothing(), same(o), value_after(0, 3));
    static_assert(
        std::is_same_v<decltype(values),
                       std::tuple<int, std::unique_ptr<int>, std::monostate, std::reference_wrapper<int>, int>>);
    CHECK(std::get<0>(values) == 1);
    CHECK(*std::get<1>(values) == 2);
    CHECK(&std::get<3>(values).get() == &o);
    CHECK(std::get<4>(values) == 3);
  };
  value_of(all(object));
}

TEST_CASE("gather of tasks: they begin in order, none inside the call, and all run at the same time",
          "[coro][in_order]") {
  std::vector<int> log;
  auto all = [](std::vector<int>& l) -> task<> {
    auto three = gather(notes(l, 1), notes(l, 2), notes(l, 3));
    l.push_back(0);
    co_await three;
    l.push_back(4);
  };
  value_of(all(log));
  CHECK(log == std::vector<int>{0, 1, 2, 3, -1, -2, -3, 4});
}

TEST_CASE("gather of tasks: of a vector, of a range that makes them, of nothing, of one", "[coro]") {
  auto all = []() -> task<> {
    std::vector<task<int>> some;
    for (int i = 0; i < 20; ++i) some.push_back(value_after(20 - i, i));
    auto const values = co_await gather(std::move(some));
    CHECK(values.size() == 20);
    for (int i = 0; i < 20; ++i) CHECK(values[std::size_t(i)] == i);

    auto squares = std::views::iota(0, 4) | std::views::transform([](int i) { return value_after(i, i * i); });
    auto const four = co_await gather(squares);
    CHECK(four == std::vector<int>{0, 1, 4, 9});

    auto const none = co_await gather(std::vector<task<int>>());
    CHECK(none.empty());
    std::vector<task<>> quiet;
    quiet.push_back(nothing());
    auto const one = co_await gather(std::move(quiet));
    CHECK(one.size() == 1);
    auto const [single] = co_await gather(boxed(3));
    CHECK(*single == 3);
  };
  value_of(all());
}

TEST_CASE("gather of tasks: futures may be among them", "[coro]") {
  concur::promise<int> p;
  hand_loop here;
  auto all = [](concur::future<int> f) -> task<int> {
    auto const [a, b] = co_await gather(value_after(1, 1), std::move(f));
    co_return a * 10 + b;
  };
  auto f = spawn(here, all(p.get_future()));
  here.run_all();
  CHECK_FALSE(f.done());
  p.set_value(2);
  here.run_all();
  CHECK(f.get() == 12);
}

TEST_CASE("gather of tasks: the first error cancels the rest, and comes out when all have ended", "[coro]") {
  int ended = 0;
  auto all = [](int& e) -> task<> { co_await gather(waits_for_ever(e), fails_after(2, 4), waits_for_ever(e)); };
  try {
    value_of(all(ended));
    FAIL("nothing was thrown");
  } catch (failure const& e) {
    CHECK(e.number == 4);
  }
  CHECK(ended == 2);
}

TEST_CASE("gather of tasks: several errors become one, in the order of the arguments", "[coro]") {
  auto fails_when_cancelled = [](int number) -> task<int> {
    int ended = 0;
    bool stopped = false;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
      stopped = true;
    }
    if (stopped) throw failure{number};
    co_return 0;
  };
  int ended = 0;
  auto all = [&]() -> task<> {
    co_await gather(fails_when_cancelled(1), waits_for_ever(ended), fails_after(1, 2), value_after(0, 0));
  };
  try {
    value_of(all());
    FAIL("nothing was thrown");
  } catch (concur::multiple_errors const& errors) {
    CHECK(numbers_of(errors) == std::vector<int>{1, 2});
  }
  CHECK(ended == 1);
}

TEST_CASE("gather of tasks: a cancel that is somebody else's is an error like any other", "[coro]") {
  concur::promise<int> p;
  int ended = 0;
  auto awaits = [](concur::future<int> f) -> task<int> { co_return co_await f; };
  auto all = [&](concur::future<int> f) -> task<> { co_await gather(waits_for_ever(ended), awaits(std::move(f))); };
  hand_loop here;
  auto f = spawn(here, all(p.get_future()));
  here.run_all();
  p.set_error(concur::cancelled());
  here.run_all();
  REQUIRE(f.done());
  CHECK(ended == 1);
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("gather of tasks: outcomes on request, and then an error cancels nothing", "[coro]") {
  auto all = []() -> task<> {
    auto const [a, b, c] = co_await gather(collect_outcomes, value_after(3, 1), fails_after(0, 2), nothing());
    CHECK(a.value() == 1);
    CHECK_THROWS_AS(b.value(), failure);
    CHECK(c.has_value());
    std::vector<task<int>> some;
    some.push_back(fails_after(0, 1));
    some.push_back(value_after(2, 2));
    auto const two = co_await gather(collect_outcomes, std::move(some));
    CHECK_FALSE(two[0].has_value());
    CHECK(two[1].value() == 2);
  };
  value_of(all());
}

TEST_CASE("gather of tasks: in a task that is cancelled they never begin, and nobody is told of a forgotten task",
          "[coro]") {
  int began = 0;
  int objects = 0;
  auto part = [](int& b, alive) -> task<> {
    ++b;
    co_return;
  };
  auto all = [&]() -> task<bool> {
    bool refused = false;
    int ended = 0;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
    }
    try {
      co_await gather(part(began, alive(objects)), part(began, alive(objects)));
    } catch (concur::cancelled const&) {
      refused = true;
    }
    co_return refused;
  };
  hand_loop here;
  auto f = spawn(here, all());
  here.run_all();
  f.cancel();
  here.run_all();
  CHECK(f.get());
  CHECK(began == 0);
  CHECK(objects == 0);
}

TEST_CASE("gather of tasks: a cancel waits for all, and is forgotten if all ended with values", "[coro]") {
  // Catches the cancel and returns all the same.
  auto stubborn = [](int value) -> task<int> {
    int ended = 0;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
    }
    co_return value;
  };
  auto all = [&](bool one_gives_up, int& ended) -> task<int> {
    int sum = 0;
    if (one_gives_up) {
      auto const [a, b] = co_await gather(stubborn(1), waits_for_ever(ended));
      sum = a + b;
    } else {
      auto const [a, b] = co_await gather(stubborn(1), stubborn(2));
      sum = a + b;
    }
    co_return sum;
  };
  for (bool const one_gives_up : {false, true}) {
    hand_loop here;
    int ended = 0;
    auto f = spawn(here, all(one_gives_up, ended));
    here.run_all();
    CHECK(f.cancel());
    here.run_all();
    REQUIRE(f.done());
    CHECK(ended == (one_gives_up ? 1 : 0));
    if (one_gives_up) {
      CHECK_THROWS_AS(f.get(), concur::cancelled);
    } else {
      CHECK(f.get() == 3);
    }
  }
}

TEST_CASE("gather of tasks: misuse", "[coro]") {
  auto twice = []() -> task<bool> {
    auto all = gather(value_after(0, 1));
    co_await all;
    bool refused = false;
    try {
      co_await all;
    } catch (concur::misuse const&) {
      refused = true;
    }
    co_return refused;
  };
  CHECK(value_of(twice()));
  CHECK_THROWS_AS(gather(value_after(0, 1), task<int>()), concur::misuse);
  std::vector<task<int>> some(2);
  CHECK_THROWS_AS(gather(std::move(some)), concur::misuse);
}

TEST_CASE("gather of tasks: cancelled at every step, nothing is lost", "[coro][every_order]") {
  concur::semaphore permits(1);
  int objects = 0;
  auto all = [&]() -> task<int> {
    auto const [a, b, c] =
        co_await gather(uses_permit(permits, alive(objects), 1), uses_permit(permits, alive(objects), 2),
                        uses_permit(permits, alive(objects), 3));
    co_return a + b + c;
  };
  int values = 0;
  cancel_at_every_step([&] { return all(); },
                       [&](bool with_value) {
                         values += with_value;
                         CHECK(objects == 0);
                         REQUIRE(permits.try_acquire());
                         CHECK_FALSE(permits.try_acquire());
                         permits.release();
                       });
  CHECK(values >= 22);
}

TEST_CASE("gather of tasks: cancelled at every step, an item is either taken or still there", "[coro][every_order]") {
  concur::queue<int> items(8);
  int taken = 0;
  int given = 0;
  int objects = 0;
  auto take = [](concur::queue<int>& q, int& count, alive) -> task<> {
    co_await q.async_get();
    ++count;
  };
  auto give = [](concur::queue<int>& q, int& count, alive) -> task<> {
    co_await yield();
    co_await q.async_put(1);
    ++count;
    co_await yield();
    co_await q.async_put(2);
    ++count;
  };
  auto all = [&]() -> task<> {
    std::vector<task<>> some;
    some.push_back(take(items, taken, alive(objects)));
    some.push_back(take(items, taken, alive(objects)));
    some.push_back(give(items, given, alive(objects)));
    co_await gather(std::move(some));
  };
  cancel_at_every_step(
      [&] {
        taken = 0;
        given = 0;
        while (items.try_get()) {
        }
        return all();
      },
      [&](bool with_value) {
        CHECK(objects == 0);
        int left = 0;
        while (items.try_get()) ++left;
        CHECK(taken + left == given);
        if (with_value) CHECK(taken == 2);
      });
}

TEST_CASE("gather of tasks: nested, the innermost is cancelled with the outermost", "[coro][every_order]") {
  int ended = 0;
  auto inner = [&]() -> task<int> {
    auto const [a, b] = co_await gather(waits_for_ever(ended), waits_for_ever(ended));
    co_return a + b;
  };
  auto outer = [&]() -> task<int> {
    auto const [a, b] = co_await gather(inner(), inner());
    co_return a + b;
  };
  cancel_at_every_step(
      [&] {
        ended = 0;
        auto end = [&](task<int> body) -> task<int> {
          auto const [a, b] = co_await gather(std::move(body), fails_after(6, 1));
          co_return a + b;
        };
        return end(outer());
      },
      [&](bool with_value) {
        CHECK_FALSE(with_value);
        CHECK(ended <= 4);
      });
}

namespace {

task<long> tree(int depth) {
  if (depth == 0) co_return 1;
  auto const [a, b] = co_await gather(tree(depth - 1), tree(depth - 1));
  co_return a + b;
}

task<long> line(int depth) {
  if (depth == 0) co_return 0;
  auto const [below] = co_await gather(line(depth - 1));
  co_return below + 1;
}

task<> waits_at_depth(int depth, int& ended) {
  if (depth == 0) {
    co_await waits_for_ever(ended);
  } else {
    co_await gather(waits_at_depth(depth - 1, ended));
  }
}

}  // namespace

TEST_CASE("gather of tasks: wide and deep, without stack", "[coro][large]") {
  CHECK(value_of(tree(10)) == 1024);
  int const deep = rounds(100'000);
  CHECK(value_of(line(deep)) == deep);
  int const many = rounds(100'000);
  auto wide = [](int count) -> task<long> {
    long sum = 0;
    std::vector<task<int>> all;
    for (int i = 0; i < count; ++i) all.push_back(value_after(1, 1));
    auto const values = co_await gather(std::move(all));
    for (int each : values) sum += each;
    co_return sum;
  };
  CHECK(value_of(wide(many)) == many);
}

TEST_CASE("gather of tasks: a deep nest is cancelled", "[coro]") {
  int ended = 0;
  hand_loop here;
  auto f = spawn(here, waits_at_depth(rounds(20'000), ended));
  here.run_all();
  CHECK(f.cancel());
  here.run_all();
  REQUIRE(f.done());
  CHECK(ended == 1);
}

TEST_CASE("gather of tasks: each allocation fails in turn", "[coro]") {
  int objects = 0;
  concur::semaphore permits(2);
  auto all = [&]() -> task<> {
    co_await gather(uses_permit(permits, alive(objects), 1), uses_permit(permits, alive(objects), 2));
    std::vector<task<int>> some;
    for (int i = 0; i < 3; ++i) some.push_back(uses_permit(permits, alive(objects), i));
    co_await gather(std::move(some));
  };
  support::fail_every_allocation([&] { return all(); },
                                 [&] {
                                   CHECK(objects == 0);
                                   REQUIRE(permits.try_acquire());
                                   REQUIRE(permits.try_acquire());
                                   permits.release(2);
                                 });
}

TEST_CASE("gather of tasks: in every order of what is ready", "[coro][every_order]") {
  support::in_every_order([](support::order which) {
    queue_executor here(which);
    auto f = spawn(here, tree(6));
    here.run_all();
    CHECK(f.get() == 64);
  });
}

TEST_CASE("gather of tasks: on several threads", "[coro]") {
  support::threads_executor pool(4);
  for (int i = 0; i < rounds(200); ++i) {
    CHECK(spawn(pool, tree(5)).get() == 32);
    int ended[4] = {};
    auto all = [](int* e) -> task<> {
      co_await gather(waits_for_ever(e[0]), fails_after(2, 1), waits_for_ever(e[1]), value_after(3, 0));
    };
    auto f = spawn(pool, all(ended));
    auto g = spawn(pool, all(ended + 2));
    std::thread canceller([&] { g.cancel(); });
    CHECK_THROWS_AS(f.get(), failure);
    canceller.join();
    CHECK(g.error() != nullptr);
    CHECK(ended[0] + ended[1] <= 2);
  }
}

TEST_CASE("gather of tasks: a child that moved away ends at home", "[coro]") {
  support::threads_executor pool(2);
  hand_loop here;
  auto moves = [](concur::executor& away, int value) -> task<int> {
    auto const home = std::this_thread::get_id();
    co_await concur::hop_to(away);
    bool const moved = std::this_thread::get_id() != home;
    co_await yield();
    co_return moved ? value : 0;
  };
  auto all = [&]() -> task<bool> {
    auto const home = std::this_thread::get_id();
    auto const [a, b, c] = co_await gather(moves(pool, 1), value_after(3, 2), moves(pool, 4));
    co_return a + b + c == 7 && std::this_thread::get_id() == home;
  };
  for (int i = 0; i < rounds(100); ++i) {
    auto f = spawn(here, all());
    here.run_until([&] { return f.done(); });
    CHECK(f.get());
    CHECK_FALSE(here.was_misused());
  }
}
