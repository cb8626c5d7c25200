// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/task_group.hpp>

#include "nursery_support.hpp"

#include <concur/core/hop.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/future/promise.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using concur::spawn;
using concur::task;
using concur::task_group;
using concur::with_group;
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

task<> notes(std::vector<int>& log, int number, int yields = 1) {
  log.push_back(number);
  for (int i = 0; i < yields; ++i) co_await yield();
  log.push_back(-number);
}

task<> does_nothing(task_group&) { co_return; }

/// Runs the group and returns what comes out: a value, minus the number of an error, 1000 for `cancelled`, 2000 for
/// several errors.
template <class Body>
task<int> result_of_group(Body body) {
  int result = 0;
  try {
    co_await with_group(std::move(body));
  } catch (failure const& e) {
    result = -e.number;
  } catch (concur::cancelled const&) {
    result = 1000;
  } catch (concur::multiple_errors const& e) {
    result = 2000 + int(e.errors().size());
  }
  co_return result;
}

}  // namespace

TEST_CASE("task_group: children begin in order, none inside the call, and have ended when it returns",
          "[coro][in_order]") {
  std::vector<int> log;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(notes(log, 1, 3), "slow");
    g.spawn(notes(log, 2));
    CHECK(g.size() == 2);
    log.push_back(0);
    co_return;
  };
  auto all = [&]() -> task<> {
    co_await with_group(body);
    log.push_back(9);
  };
  value_of(all());
  CHECK(log == std::vector<int>{0, 1, 2, -2, -1, 9});
}

TEST_CASE("task_group: the form of the manual, with the lambda in the co_await", "[coro]") {
  int sum = 0;
  auto adds = [](int& to, int number) -> task<> {
    co_await yield();
    to += number;
  };
  auto all = [&]() -> task<int> {
    co_await with_group([&](task_group& g) -> task<> {
      g.spawn(adds(sum, 1));
      g.spawn(adds(sum, 2));
      co_return;
    });
    co_return sum;
  };
  CHECK(value_of(all()) == 3);
}

TEST_CASE("task_group: gives what the body returned", "[coro]") {
  int object = 0;
  auto all = [&]() -> task<> {
    auto boxed = [&](task_group& g) -> task<std::unique_ptr<int>> {
      g.spawn(value_after(2, 1));
      co_return std::make_unique<int>(5);
    };
    auto const box = co_await with_group(boxed);
    CHECK(*box == 5);
    auto refers = [&](task_group&) -> task<int&> { co_return object; };
    int& same = co_await with_group(refers);
    CHECK(&same == &object);
    co_await with_group(does_nothing);
  };
  value_of(all());
}

TEST_CASE("task_group: a callable and its arguments live as long as the child", "[coro]") {
  int objects = 0;
  std::string text;
  auto all = [&]() -> task<> {
    auto body = [&](task_group& g) -> task<> {
      g.spawn(
          [&text, kept = std::string("captured "), one = alive(objects)](std::string argument) -> task<> {
            co_await yield();
            text = kept + argument;
          },
          "argument");
      co_return;
    };
    co_await with_group(body);
    CHECK(objects == 0);
  };
  value_of(all());
  CHECK(text == "captured argument");
}

TEST_CASE("task_group: children have names and places", "[coro]") {
  std::string name;
  unsigned line = 0;
  auto child = [&]() -> task<> {
    name = concur::current_task()->origin().name();
    line = concur::location_of(concur::current_task()->origin().place()).line();
    co_return;
  };
  unsigned const here = __LINE__ + 2;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(child(), "a child");
    co_return;
  };
  auto all = [&]() -> task<> { co_await with_group(body); };
  value_of(all());
  CHECK(name == "a child");
  CHECK(line == here);
}

TEST_CASE("task_group: callables have names and places too", "[coro][in_order]") {
  std::vector<std::string> names;
  std::vector<unsigned> lines;
  auto const child = [&]() -> task<> {
    names.emplace_back(concur::this_task::name());
    auto const place = concur::this_task::spawned_at();
    lines.push_back(place ? place->line() : 0);
    co_return;
  };
  auto const with_text = [&](std::string text) -> task<> {
    names.push_back("argument " + text);
    co_return;
  };
  unsigned const here = __LINE__ + 2;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(child);
    g.spawn(child, "a name");
    g.spawn(with_text, "text");
    g.spawn(concur::call_task(with_text, "text"), "a name");
    co_return;
  };
  auto all = [&]() -> task<> { co_await with_group(body); };
  value_of(all());
  CHECK(names == std::vector<std::string>{"", "a name", "argument text", "argument text"});
  CHECK(lines == std::vector<unsigned>{here, here + 1});
}

TEST_CASE("task_group: an error of a child cancels the others and the body", "[coro]") {
  int ended = 0;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(waits_for_ever(ended));
    g.spawn(fails_after(2, 3));
    g.spawn(waits_for_ever(ended));
    co_await waits_for_ever(ended);
  };
  CHECK(value_of(result_of_group(body)) == -3);
  CHECK(ended == 3);
}

TEST_CASE("task_group: an error of the body cancels the children, and they are waited for", "[coro][in_order]") {
  int ended = 0;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(waits_for_ever(ended));
    co_await yield();
    throw failure{4};
  };
  CHECK(value_of(result_of_group(body)) == -4);
  CHECK(ended == 1);
  auto throws_at_once = [](task_group& g) -> task<> {
    if (g.size() == 0) throw failure{5};
    return does_nothing(g);
  };
  CHECK(value_of(result_of_group(throws_at_once)) == -5);
}

TEST_CASE("task_group: several errors become one", "[coro][in_order]") {
  auto fails_when_cancelled = [](int number) -> task<> {
    int ended = 0;
    bool stopped = false;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
      stopped = true;
    }
    if (stopped) throw failure{number};
  };
  int ended = 0;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(fails_when_cancelled(1));
    g.spawn(waits_for_ever(ended));
    g.spawn(fails_after(0, 2));
    co_await fails_when_cancelled(3);
  };
  CHECK(value_of(result_of_group(body)) == 2003);
  CHECK(ended == 1);
}

TEST_CASE("task_group: cancelled from inside it returns normally, and nothing more begins", "[coro]") {
  int ended = 0;
  int objects = 0;
  auto cancels = [&](task_group& g) -> task<> {
    co_await yield();
    g.cancel();
    CHECK(g.cancelled());
    g.spawn([](alive) -> task<> { co_return; }, alive(objects));
    CHECK(objects == 0);
  };
  auto body = [&](task_group& g) -> task<> {
    g.spawn(waits_for_ever(ended));
    g.spawn(cancels(g));
    co_await waits_for_ever(ended);
  };
  CHECK(value_of(result_of_group(body)) == 0);
  CHECK(ended == 2);

  auto with_value = [&](task_group& g) -> task<int> {
    g.spawn(cancels(g));
    co_return co_await waits_for_ever(ended);
  };
  CHECK(value_of(result_of_group(with_value)) == 1000);
  auto cancels_late = [&](task_group& g) -> task<int> {
    g.spawn(waits_for_ever(ended));
    g.cancel();
    co_return 7;
  };
  auto seven = [&]() -> task<int> { co_return co_await with_group(cancels_late); };
  CHECK(value_of(seven()) == 7);
}

TEST_CASE("task_group: a cancel that is somebody else's is an error like any other", "[coro]") {
  int ended = 0;
  auto awaits = [](concur::future<int> f) -> task<int> { co_return co_await f; };
  concur::promise<int> p;
  auto body = [&](task_group& g) -> task<> {
    g.spawn(waits_for_ever(ended));
    g.spawn(awaits(p.get_future()));
    co_return;
  };
  hand_loop here;
  auto f = spawn(here, result_of_group(body));
  here.run_all();
  p.set_error(concur::cancelled());
  here.run_all();
  CHECK(f.get() == 1000);
  CHECK(ended == 1);
}

TEST_CASE("task_group: a cancel of the task cancels body and children, and goes on", "[coro]") {
  for (bool const body_waits : {false, true}) {
    int ended = 0;
    auto body = [&](task_group& g) -> task<> {
      g.spawn(waits_for_ever(ended));
      if (body_waits) co_await waits_for_ever(ended);
    };
    hand_loop here;
    auto f = spawn(here, result_of_group(body));
    here.run_all();
    CHECK(f.cancel());
    here.run_all();
    CHECK(f.get() == 1000);
    CHECK(ended == (body_waits ? 2 : 1));
  }
}

TEST_CASE("task_group: if all ended with values when the cancel came, these count", "[coro]") {
  auto stubborn = []() -> task<> {
    int ended = 0;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
    }
  };
  auto body = [&](task_group& g) -> task<int> {
    g.spawn(stubborn());
    co_return 6;
  };
  hand_loop here;
  auto f = spawn(here, with_group(body));
  here.run_all();
  CHECK(f.cancel());
  here.run_all();
  CHECK(f.get() == 6);
}

TEST_CASE("task_group: in a task that is cancelled children never begin", "[coro]") {
  int began = 0;
  int objects = 0;
  auto child = [&](alive) -> task<> {
    ++began;
    co_return;
  };
  auto body = [&](task_group& g) -> task<> {
    CHECK(g.cancelled());
    g.spawn(child(alive(objects)));
    CHECK(g.size() == 0);
    co_return;
  };
  auto all = [&]() -> task<int> {
    int ended = 0;
    try {
      co_await waits_for_ever(ended);
    } catch (concur::cancelled const&) {
    }
    co_return co_await result_of_group(body);
  };
  queue_executor here;
  concur::cancellation scope;
  auto moves_in = [&]() -> task<int> {
    auto& outer = concur::current_task()->scope();
    concur::current_task()->move_to_scope(scope);
    int const result = co_await all();
    concur::current_task()->move_to_scope(outer);
    co_return result;
  };
  auto f = spawn(here, moves_in());
  here.run_all();
  scope.cancel();
  here.run_all();
  CHECK(f.get() == 1000);  // the cancel has kept the child from its end
  CHECK(began == 0);
  CHECK(objects == 0);
}

TEST_CASE("task_group: children that were cancelled before they began are destroyed", "[coro]") {
  int objects = 0;
  int began = 0;
  auto child = [&](alive, task<int>) -> task<> {
    ++began;
    co_return;
  };
  auto body = [&](task_group& g) -> task<> {
    g.spawn(child(alive(objects), value_after(0, 1)));
    g.spawn(child(alive(objects), value_after(0, 1)));
    g.cancel();
    co_return;
  };
  CHECK(value_of(result_of_group(body)) == 0);
  CHECK(began == 0);
  CHECK(objects == 0);
}

TEST_CASE("task_group: a child spawns siblings, also when the body has ended", "[coro][every_order]") {
  int ended = 0;
  std::function<task<>(task_group&, int)> child = [&](task_group& g, int left) -> task<> {
    co_await yield();
    if (left > 0) {
      g.spawn(child(g, left - 1));
      g.spawn(child(g, left - 1));
    }
    ++ended;
  };
  auto body = [&](task_group& g) -> task<> {
    g.spawn(child(g, 9));
    co_return;
  };
  CHECK(value_of(result_of_group(body)) == 0);
  CHECK(ended == 1023);
  support::in_every_order([&](support::order which) {
    ended = 0;
    queue_executor here(which);
    auto f = spawn(here, result_of_group(body));
    here.run_all();
    CHECK(f.get() == 0);
    CHECK(ended == 1023);
  });
}

TEST_CASE("task_group: a child that never waits", "[coro]") {
  int count = 0;
  auto child = [&]() -> task<> {
    ++count;
    co_return;
  };
  auto body = [&](task_group& g) -> task<> {
    for (int i = 0; i < 100; ++i) g.spawn(child);
    CHECK(count == 0);
    co_return;
  };
  CHECK(value_of(result_of_group(body)) == 0);
  CHECK(count == 100);
}

TEST_CASE("task_group: groups in groups", "[coro]") {
  int ended = 0;
  auto inner = [&](task_group& g) -> task<> {
    g.spawn(waits_for_ever(ended));
    co_await waits_for_ever(ended);
  };
  auto swallows = [&](task_group& g) -> task<> {
    g.spawn(fails_after(3, 1));
    co_await yield();
  };
  auto outer = [&](task_group& g) -> task<> {
    g.spawn(with_group(inner));
    g.spawn(with_group(inner));
    // The error of a group that somebody catches goes no further.
    int const caught = co_await result_of_group(swallows);
    CHECK(caught == -1);
    CHECK(ended == 0);
    g.spawn(fails_after(2, 8));
  };
  CHECK(value_of(result_of_group(outer)) == -8);
  CHECK(ended == 4);
}

TEST_CASE("task_group: cancelled at every step, nothing is lost", "[coro][every_order]") {
  concur::semaphore permits(1);
  int objects = 0;
  int values = 0;
  auto inner = [&](task_group& g) -> task<> {
    g.spawn(uses_permit(permits, alive(objects), 1));
    co_await uses_permit(permits, alive(objects), 2);
  };
  auto body = [&](task_group& g) -> task<> {
    alive const here(objects);
    g.spawn(uses_permit(permits, alive(objects), 1));
    g.spawn(with_group(inner));
    co_await uses_permit(permits, alive(objects), 3);
    g.spawn(uses_permit(permits, alive(objects), 4));
  };
  cancel_at_every_step([&] { return with_group(body); },
                       [&](bool with_value) {
                         values += with_value;
                         CHECK(objects == 0);
                         REQUIRE(permits.try_acquire());
                         CHECK_FALSE(permits.try_acquire());
                         permits.release();
                       });
  CHECK(values >= 22);
}

TEST_CASE("task_group: an error at every step, beside a cancel at every step", "[coro][every_order]") {
  for (int yields = 0; yields < 6; ++yields) {
    concur::semaphore permits(1);
    int objects = 0;
    auto body = [&](task_group& g) -> task<> {
      g.spawn(uses_permit(permits, alive(objects), 1));
      g.spawn(fails_after(yields, 1));
      g.spawn(uses_permit(permits, alive(objects), 2));
      co_await uses_permit(permits, alive(objects), 3);
    };
    cancel_at_every_step([&] { return with_group(body); },
                         [&](bool with_value) {
                           CHECK_FALSE(with_value);
                           CHECK(objects == 0);
                           REQUIRE(permits.try_acquire());
                           permits.release();
                         });
  }
}

TEST_CASE("task_group: each allocation fails in turn", "[coro]") {
  int objects = 0;
  concur::semaphore permits(1);
  auto body = [&](task_group& g) -> task<> {
    g.spawn(uses_permit(permits, alive(objects), 1), "a name that takes a block of its own");
    g.spawn([&](alive one) -> task<int> { return uses_permit(permits, one, 2); }, alive(objects));
    co_await uses_permit(permits, alive(objects), 3);
  };
  support::fail_every_allocation([&] { return with_group(body); },
                                 [&] {
                                   CHECK(objects == 0);
                                   REQUIRE(permits.try_acquire());
                                   permits.release();
                                 });
}

TEST_CASE("task_group: misuse", "[coro]") {
  auto body = [](task_group& g) -> task<> {
    CHECK_THROWS_AS(g.spawn(task<>()), concur::misuse);
    co_return;
  };
  CHECK(value_of(result_of_group(body)) == 0);
}

namespace {

task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  auto body = [depth](task_group&) -> task<int> {
    int const below = co_await nested(depth - 1);
    co_return below + 1;
  };
  co_return co_await with_group(body);
}

task<> nested_children(int depth, int& ended) {
  if (depth == 0) {
    co_await waits_for_ever(ended);
  } else {
    auto body = [depth, &ended](task_group& g) -> task<> {
      g.spawn(nested_children(depth - 1, ended));
      co_return;
    };
    co_await with_group(body);
  }
}

}  // namespace

TEST_CASE("task_group: many children, and groups nested deeply", "[coro][large]") {
  int const many = rounds(100'000);
  int ended = 0;
  auto child = [&]() -> task<> {
    co_await yield();
    ++ended;
  };
  auto body = [&](task_group& g) -> task<> {
    for (int i = 0; i < many; ++i) g.spawn(child());
    CHECK(g.size() == std::size_t(many));
    co_return;
  };
  CHECK(value_of(result_of_group(body)) == 0);
  CHECK(ended == many);
  int const deep = rounds(100'000);
  CHECK(value_of(nested(deep)) == deep);
}

TEST_CASE("task_group: a deep nest and many children are cancelled", "[coro]") {
  int ended = 0;
  hand_loop here;
  auto f = spawn(here, nested_children(rounds(20'000), ended));
  here.run_all();
  CHECK(f.cancel());
  here.run_all();
  REQUIRE(f.done());
  CHECK(ended == 1);

  int const many = rounds(20'000);
  auto body = [&](task_group& g) -> task<> {
    for (int i = 0; i < many; ++i) g.spawn(waits_for_ever(ended));
    g.spawn(fails_after(3, 2));
    co_return;
  };
  auto g = spawn(here, result_of_group(body));
  here.run_all();
  CHECK(g.get() == -2);
  CHECK(ended == many + 1);
}

TEST_CASE("task_group: a child that moved away uses the group from there", "[coro]") {
  support::threads_executor pool(2);
  hand_loop here;
  for (int i = 0; i < rounds(100); ++i) {
    int ended = 0;
    int began = 0;
    auto const home = std::this_thread::get_id();
    bool always_home = true;
    auto counts_at_home = [&]() -> task<> {
      ++began;
      always_home = always_home && std::this_thread::get_id() == home;
      co_await yield();
    };
    auto moves = [&](task_group& g, bool cancels) -> task<> {
      co_await concur::hop_to(pool);
      g.spawn(counts_at_home());
      if (cancels) {
        g.cancel();
        g.cancel();
      } else {
        throw failure{1};
      }
    };
    for (bool const cancels : {true, false}) {
      auto body = [&](task_group& g) -> task<> {
        g.spawn(waits_for_ever(ended));
        g.spawn(moves(g, cancels));
        co_await waits_for_ever(ended);
      };
      auto f = spawn(here, result_of_group(body));
      here.run_until([&] { return f.done(); });
      CHECK(f.get() == (cancels ? 0 : -1));
    }
    CHECK(ended == 4);
    CHECK(began <= 2);
    CHECK(always_home);
    CHECK_FALSE(here.was_misused());
  }
}

TEST_CASE("task_group: the body moves away, and its children stay at home", "[coro]") {
  support::threads_executor pool(2);
  hand_loop here;
  auto const home = std::this_thread::get_id();
  for (int i = 0; i < rounds(100); ++i) {
    int at_home = 0;
    auto child = [&]() -> task<> {
      if (std::this_thread::get_id() == home) ++at_home;
      co_await yield();
    };
    auto body = [&](task_group& g) -> task<> {
      g.spawn(child());
      co_await concur::hop_to(pool);
      for (int n = 0; n < 10; ++n) g.spawn(child());
      co_await yield();
    };
    auto all = [&]() -> task<bool> {
      co_await with_group(body);
      co_return std::this_thread::get_id() == home;
    };
    auto f = spawn(here, all());
    here.run_until([&] { return f.done(); });
    CHECK(f.get());
    CHECK(at_home == 11);
  }
}

TEST_CASE("task_group: on several threads", "[coro]") {
  support::threads_executor pool(4);
  std::atomic<int> ended{0};
  std::function<task<>(task_group&, int)> child = [&](task_group& g, int left) -> task<> {
    co_await yield();
    if (left > 0) {
      g.spawn(child(g, left - 1));
      g.spawn(child(g, left - 1));
    }
    ended.fetch_add(1);
  };
  auto waits = [&]() -> task<> {
    concur::event never;
    co_await never.async_wait();
  };
  for (int i = 0; i < rounds(100); ++i) {
    ended.store(0);
    auto body = [&](task_group& g) -> task<> {
      g.spawn(child(g, 6));
      co_await yield();
      g.spawn(child(g, 5));
    };
    CHECK(spawn(pool, result_of_group(body)).get() == 0);
    CHECK(ended.load() == 127 + 63);

    // Two fail, one cancels the group, the task is cancelled, all at the same time.
    auto breaks = [&](task_group& g) -> task<> {
      g.spawn(waits());
      g.spawn(fails_after(2, 1));
      g.spawn(child(g, 3));
      g.spawn(fails_after(2, 2));
      g.spawn([&g]() -> task<> {
        co_await yield();
        g.cancel();
      });
      co_await waits();
    };
    auto f = spawn(pool, result_of_group(breaks));
    f.cancel();
    f.wait();
  }
}
