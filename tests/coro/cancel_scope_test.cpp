// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/cancel_scope.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/promise.hpp>
#include <concur/queue/queue.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/test_executor.hpp"
#include "turned_executor.hpp"

#include <atomic>
#include <chrono>
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
using concur::cancel_scope;
using concur::future;
using concur::promise;
using concur::spawn;
using concur::task;
using support::is_cancelled;
using support::numbered_error;
using support::result_of;
using support::threads_executor;
using support::turned_executor;

static_assert(!std::is_copy_constructible_v<cancel_scope> && !std::is_move_constructible_v<cancel_scope>);

task<int> at_once(int value) {
  int const given = value;
  co_return given;
}

task<int> after(concur::event& e, int value) {
  int const given = value;
  co_await e.async_wait();
  co_return given;
}

task<> only_wait(concur::event& e) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await e.async_wait();
}

task<int> fail(concur::event& e, int number) {
  int const given = number;
  try {
    co_await e.async_wait();
  } catch (concur::cancelled const&) {
  }
  throw numbered_error{given};
}

/// The result of a task, or -1 if it ended with nothing.
task<int> or_minus_one(cancel_scope& scope, task<int> body) {
  std::optional<int> const found = co_await scope.run(std::move(body));
  co_return found.value_or(-1);
}

}  // namespace

TEST_CASE("cancel_scope: what is not cancelled gives its value", "[cancel_scope]") {
  static auto const all = [](concur::event& e, int& there) -> task<> {
    cancel_scope of_task, of_void, of_reference, of_pointer, of_callable, of_future, of_await;
    std::optional<int> const number = co_await of_task.run(at_once(3));
    CHECK(number == 3);
    bool const ended = co_await of_void.run(only_wait(e));
    CHECK(ended);
    static auto const give_reference = [](int& given) -> task<int&> {
      int const nothing = 0;
      static_cast<void>(nothing);
      co_await concur::yield();
      co_return given;
    };
    std::optional<std::reference_wrapper<int>> const same = co_await of_reference.run(give_reference(there));
    CHECK((same && &same->get() == &there));
    static auto const give_pointer = []() -> task<std::unique_ptr<int>> {
      auto made = std::make_unique<int>(4);
      co_await concur::yield();
      co_return made;
    };
    std::optional<std::unique_ptr<int>> const moved = co_await of_pointer.run(give_pointer());
    CHECK((moved && **moved == 4));
    std::optional<int> const called = co_await of_callable.run(at_once, 5);
    CHECK(called == 5);
    std::optional<int> const spawned = co_await of_future.run(spawn(after(e, 6)));
    CHECK(spawned == 6);
    bool const waited = co_await of_await.run(e.async_wait());
    CHECK(waited);
    CHECK_FALSE(of_task.cancel_called());
    ++there;
  };
  turned_executor here;
  concur::event e(true);
  int there = 0;
  auto f = spawn(here, all(e, there));
  here.run_all();
  REQUIRE(f.done());
  f.get();
  CHECK(there == 1);
}

TEST_CASE("cancel_scope: a cancel ends the wait of its operation, and the scope gives nothing", "[cancel_scope]") {
  turned_executor here;
  concur::event e;
  cancel_scope scope;
  auto f = spawn(here, or_minus_one(scope, after(e, 3)));
  here.run_all();
  CHECK_FALSE(f.done());
  CHECK_FALSE(scope.cancel_called());
  scope.cancel();
  CHECK(scope.cancel_called());
  CHECK_FALSE(f.done());  // nothing of it runs inside the call
  scope.cancel();
  CHECK(result_of(here, f) == -1);
  scope.cancel();  // it has ended
}

TEST_CASE("cancel_scope: cancelled before it runs, it refuses the first wait", "[cancel_scope]") {
  turned_executor here;
  concur::event e(true);
  cancel_scope waits, does_not_wait;
  waits.cancel();
  does_not_wait.cancel();
  auto f = spawn(here, or_minus_one(waits, after(e, 3)));
  auto g = spawn(here, or_minus_one(does_not_wait, at_once(4)));
  CHECK(result_of(here, f) == -1);
  CHECK(result_of(here, g) == 4);
  CHECK(does_not_wait.cancel_called());
}

TEST_CASE("cancel_scope: an outcome that was there before the cancel counts", "[cancel_scope]") {
  turned_executor here;
  concur::event e;
  cancel_scope scope;
  auto f = spawn(here, or_minus_one(scope, after(e, 3)));
  here.run_all();
  e.set();
  scope.cancel();  // between wake and resume
  CHECK(result_of(here, f) == 3);
}

TEST_CASE("cancel_scope: every wait is refused until the operation has ended, and none afterwards", "[cancel_scope]") {
  struct log {
    int refused = 0;
    int passed = 0;
  };
  static auto const stubborn = [](concur::event& never_set, log& seen) -> task<int> {
    int const answer = 7;
    for (int i = 0; i < 3; ++i) {
      try {
        co_await never_set.async_wait();
        ++seen.passed;
      } catch (concur::cancelled const&) {
        ++seen.refused;
      }
    }
    co_return answer;
  };
  static auto const whole = [](cancel_scope& scope, concur::event& never_set, concur::event& later,
                               log& seen) -> task<int> {
    std::optional<int> const got = co_await scope.run(stubborn(never_set, seen));
    co_await later.async_wait();
    co_return got.value_or(-1);
  };
  turned_executor here;
  concur::event never_set, later;
  cancel_scope scope;
  log seen;
  auto f = spawn(here, whole(scope, never_set, later, seen));
  here.run_all();
  scope.cancel();
  here.run_all();
  CHECK(seen.refused == 3);
  CHECK(seen.passed == 0);
  CHECK_FALSE(f.done());  // it waits again
  later.set();
  CHECK(result_of(here, f) == 7);  // a value counts, whatever it cost
}

TEST_CASE("cancel_scope: errors go on, whether it was cancelled or not", "[cancel_scope]") {
  auto const cancels = GENERATE(false, true);
  turned_executor here;
  concur::event e;
  cancel_scope scope;
  auto f = spawn(here, or_minus_one(scope, fail(e, 9)));
  here.run_all();
  if (cancels) {
    scope.cancel();
  } else {
    e.set();
  }
  here.run_all();
  REQUIRE(f.done());
  CHECK(support::number_of(f.error()) == 9);
}

TEST_CASE("cancel_scope: a future that somebody else cancelled is an error like any other", "[cancel_scope]") {
  static auto const await_it = [](cancel_scope& scope, future<int> other) -> task<int> {
    std::optional<int> const got = co_await scope.run(std::move(other));
    co_return got.value_or(-1);
  };
  turned_executor here;
  cancel_scope scope;
  promise<int> p;
  auto f = spawn(here, await_it(scope, p.get_future()));
  here.run_all();
  p.set_error(concur::cancelled());
  here.run_all();
  REQUIRE(f.done());
  CHECK(is_cancelled(f.error()));
}

TEST_CASE("cancel_scope: the outer of two cancelled scopes gets the cancel", "[cancel_scope]") {
  struct result {
    int inner_ended = 0;
    int inner_gave_up = 0;
    int outer_gave_up = 0;
  };
  static auto const inside = [](cancel_scope& inner, concur::event& e, result& out) -> task<> {
    bool const ended = co_await inner.run(e.async_wait());
    ++(ended ? out.inner_ended : out.inner_gave_up);
    co_await concur::yield();
  };
  static auto const outside = [](cancel_scope& outer, cancel_scope& inner, concur::event& e, result& out) -> task<> {
    bool const ended = co_await outer.run(inside(inner, e, out));
    if (!ended) ++out.outer_gave_up;
    co_await concur::yield();  // not cancelled
  };
  turned_executor here;
  concur::event e;
  cancel_scope outer, inner;
  result out;
  auto f = spawn(here, outside(outer, inner, e, out));
  here.run_all();

  SECTION("both, in either order") {
    auto const inner_first = GENERATE(false, true);
    (inner_first ? inner : outer).cancel();
    (inner_first ? outer : inner).cancel();
    here.run_all();
    REQUIRE(f.done());
    f.get();
    CHECK(out.inner_gave_up + out.inner_ended == 0);
    CHECK(out.outer_gave_up == 1);
  }
  SECTION("the inner one alone") {
    inner.cancel();
    here.run_all();
    REQUIRE(f.done());
    f.get();
    CHECK(out.inner_gave_up == 1);
    CHECK(out.outer_gave_up == 0);
  }
  SECTION("the outer one alone") {
    outer.cancel();
    here.run_all();
    REQUIRE(f.done());
    f.get();
    CHECK(out.inner_gave_up + out.inner_ended == 0);
    CHECK(out.outer_gave_up == 1);
  }
  SECTION("both and the task") {
    inner.cancel();
    outer.cancel();
    f.cancel();
    here.run_all();
    REQUIRE(f.done());
    CHECK(is_cancelled(f.error()));
    CHECK(out.inner_gave_up + out.outer_gave_up == 0);
  }
}

TEST_CASE("cancel_scope: its deadline may be set before it runs, and moved while it does", "[cancel_scope]") {
  turned_executor here;
  concur::event e;
  cancel_scope scope;

  SECTION("set before") {
    scope.cancel_after(5s);
    auto f = spawn(here, or_minus_one(scope, after(e, 3)));
    here.run_all();
    here.turn(4999ms);
    here.run_all();
    CHECK_FALSE(f.done());
    here.turn(1ms);
    CHECK(result_of(here, f) == -1);
    CHECK(scope.cancel_called());
  }
  SECTION("a moment") {
    scope.deadline(here.now() + 5s);
    auto f = spawn(here, or_minus_one(scope, after(e, 3)));
    here.turn(4s);
    here.run_all();
    CHECK_FALSE(f.done());
    here.turn(1s);
    CHECK(result_of(here, f) == -1);
  }
  SECTION("moved away, closer, and to never") {
    scope.cancel_after(5s);
    auto f = spawn(here, or_minus_one(scope, after(e, 3)));
    here.run_all();
    here.turn(4s);
    scope.cancel_after(5s);
    here.turn(4s);
    here.run_all();
    CHECK_FALSE(f.done());
    scope.deadline(concur::time_point::max());
    CHECK(here.armed() == 0);
    here.turn(1h);
    here.run_all();
    CHECK_FALSE(f.done());
    scope.cancel_after(1s);
    CHECK(here.armed() == 1);
    scope.cancel_after(500ms);
    here.turn(500ms);
    CHECK(result_of(here, f) == -1);
  }
  SECTION("moved while the timer's item is on its way") {
    scope.cancel_after(5s);
    auto f = spawn(here, or_minus_one(scope, after(e, 3)));
    here.run_all();
    here.turn(5s);
    scope.cancel_after(1s);
    here.run_all();
    CHECK_FALSE(f.done());
    here.turn(1s);
    CHECK(result_of(here, f) == -1);
  }
  SECTION("in the past") {
    auto f = spawn(here, or_minus_one(scope, after(e, 3)));
    here.run_all();
    scope.cancel_after(-1s);
    CHECK(result_of(here, f) == -1);
  }
  SECTION("by the operation itself, before and after it has waited") {
    static auto const hurries = [](cancel_scope& around, concur::event& wanted) -> task<int> {
      int const answer = 1;
      around.cancel_after(1s);
      co_await concur::yield();
      around.cancel_after(2s);
      co_await wanted.async_wait();
      co_return answer;
    };
    auto f = spawn(here, or_minus_one(scope, hurries(scope, e)));
    here.run_all();
    here.turn(1s);
    here.run_all();
    CHECK_FALSE(f.done());
    here.turn(1s);
    CHECK(result_of(here, f) == -1);
  }
  CHECK(here.armed() == 0);
}

TEST_CASE("cancel_scope: run twice is misuse", "[cancel_scope]") {
  static auto const twice = [](cancel_scope& scope) -> task<> {
    bool const first = (co_await scope.run(at_once(1))).has_value();
    CHECK(first);
    co_await scope.run(at_once(2));
  };
  turned_executor here;
  cancel_scope scope;
  auto f = spawn(here, twice(scope));
  here.run_all();
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), concur::misuse);
}

TEST_CASE("cancel_scope: from another thread a cancel and a deadline are messages", "[cancel_scope]") {
  turned_executor here;
  concur::event e;
  cancel_scope scope;
  auto f = spawn(here, or_minus_one(scope, after(e, 3)));
  here.run_all();
  SECTION("cancel") {
    int const before = here.posts();
    std::thread([&] {
      scope.cancel();
      scope.cancel();
      scope.cancel_after(1h);
    }).join();
    CHECK(scope.cancel_called());
    CHECK(here.posts() == before + 1);  // one message for all
  }
  SECTION("deadline, moved while the timer's item is on its way") {
    scope.cancel_after(1s);
    here.turn(1s);
    std::thread([&] { scope.cancel_after(5s); }).join();
    here.run_all();
    CHECK_FALSE(f.done());
    here.turn(5s);
  }
  SECTION("deadline, then turned") {
    std::thread([&] { scope.cancel_after(1s); }).join();
    CHECK(here.armed() == 0);
    here.run_all();
    CHECK(here.armed() == 1);
    here.turn(1s);
  }
  SECTION("deadline that has passed") {
    std::thread([&] { scope.deadline(concur::time_point()); }).join();
  }
  CHECK_FALSE(f.done());
  CHECK(result_of(here, f) == -1);
}

TEST_CASE("cancel_scope: the task does not leave before a message to it has arrived", "[cancel_scope]") {
  turned_executor here;
  concur::event e;
  int value = 0;
  {
    auto scope = std::make_unique<cancel_scope>();
    auto f = spawn(here, or_minus_one(*scope, after(e, 3)));
    here.run_all();
    e.set();  // the task is queued before the message
    std::thread([&] { scope->cancel(); }).join();
    CHECK(here.run_one());
    CHECK_FALSE(f.done());
    value = result_of(here, f);
    scope.reset();
  }
  CHECK(value == 3);
  here.run_all();
}

TEST_CASE("cancel_scope: foreign cancels beside the end of the scope and of its executor", "[cancel_scope]") {
  for (int round = 0; round < 200; ++round) {
    cancel_scope scope;
    std::atomic<int> stage{0};
    std::thread canceller([&] {
      while (stage.load() == 0) std::this_thread::yield();
      for (int i = 0; i < round % 8; ++i) std::this_thread::yield();
      scope.cancel_after(1h);
      scope.cancel();
    });
    int got = 0;
    {
      turned_executor here;
      concur::event e;
      auto f = spawn(here, or_minus_one(scope, after(e, 3)));
      stage = 1;
      here.run_all();
      if (round % 2 == 0) e.set();
      here.run_until([&] { return f.done(); });
      got = f.get();
    }
    canceller.join();
    CHECK((got == 3 || got == -1));
    CHECK(scope.cancel_called());
  }
}

namespace {

task<int> on_the_pool(threads_executor& pool, concur::event& arrived, concur::event& e) {
  int const answer = 5;
  co_await concur::hop_to(pool);
  arrived.set();
  co_await e.async_wait();
  co_return answer;
}

}  // namespace

TEST_CASE("cancel_scope: it reaches an operation that has moved, and is left at home", "[cancel_scope]") {
  for (int round = 0; round < 50; ++round) {
    threads_executor pool(2);
    turned_executor here;
    concur::event arrived, e;
    cancel_scope scope;
    scope.cancel_after(5s);
    auto f = spawn(here, or_minus_one(scope, on_the_pool(pool, arrived, e)));
    here.run_all();
    arrived.wait();
    int expected = -1;
    switch (round % 3) {
      case 0: scope.cancel(); break;
      case 1: here.turn(5s); break;
      default: e.set(); expected = 5;
    }
    here.run_until([&] { return f.done(); });
    CHECK(f.get() == expected);
    CHECK(here.armed() == 0);
  }
}

// ---- at every point

namespace {

/// What an operation uses that must not get lost.
struct world {
  concur::semaphore permits{0};
  concur::queue<int> items{4};
  concur::mutex lock;
  concur::event gate;
  int released = 0;
  int put = 0;
  int taken = 0;
  int inside = 0;
};

/// Gives a permit back.
class permit {
 public:
  explicit permit(world& of) noexcept : of_(of) { ++of_.inside; }
  ~permit() {
    --of_.inside;
    of_.permits.release();
  }
  permit(permit const&) = delete;
  permit& operator=(permit const&) = delete;

 private:
  world& of_;
};

task<int> take(world& w) {
  int const item = co_await w.items.async_get();
  ++w.taken;
  co_await concur::yield();
  co_return item;
}

task<int> use_everything(world& w) {
  int sum = 0;
  co_await w.permits.async_acquire();
  permit const held(w);
  sum += co_await take(w);
  co_await concur::sleep_for(1s);
  {
    auto guard = co_await w.lock.async_lock();
    co_await w.gate.async_wait();
  }
  future<int> beside = spawn(take(w));
  sum += co_await beside;
  co_return sum;
}

/// The next thing that happens: an item of the executor runs, or, if there is none, the world goes on. Returns whether
/// anything happened.
bool go_on(turned_executor& here, world& w, int& stage) {
  if (here.run_one()) return true;
  switch (stage++) {
    case 0:
      ++w.released;
      w.permits.release();
      return true;
    case 1:
    case 4:
      ++w.put;
      w.items.put(1);
      return true;
    case 2: here.turn(1s); return true;
    case 3: w.gate.set(); return true;
    default: return false;
  }
}

int permits_left(world& w) {
  int count = 0;
  while (w.permits.try_acquire()) ++count;
  return count;
}

}  // namespace

TEST_CASE("cancel_scope: cancelled at every point, nothing is lost", "[cancel_scope][every_order]") {
  enum class way { cancel, deadline };
  auto const how = GENERATE(way::cancel, way::deadline);
  support::in_every_order([how](support::order which) {
    bool ended_by_itself = false;
    int gave_up = 0;
    // The deadline counts from the start, which is the first thing that happens.
    for (int point = how == way::cancel ? 0 : 1; !ended_by_itself; ++point) {
      INFO(which << ", point " << point);
      REQUIRE(point < 100);
      turned_executor here(which);
      world w;
      cancel_scope scope;
      if (how == way::deadline) scope.cancel_after(1h);
      auto f = spawn(here, or_minus_one(scope, use_everything(w)));
      int stage = 0;
      for (int i = 0; i < point && go_on(here, w, stage); ++i) continue;
      ended_by_itself = f.done();
      if (how == way::cancel) {
        scope.cancel();
      } else {
        here.turn(1h);
      }
      here.run_all();
      REQUIRE(f.done());  // whatever the rest of the world does
      int const got = f.get();
      CHECK((got == -1 || got == 2));
      gave_up += got == -1;
      CHECK(w.inside == 0);
      CHECK(permits_left(w) == w.released);
      CHECK(int(w.items.size()) == w.put - w.taken);
      CHECK(w.lock.try_lock());
      w.lock.unlock();
      CHECK(here.armed() == 0);
    }
    CHECK(gave_up > 10);
  });
}

TEST_CASE("cancel_scope: at every allocation that fails, nothing is lost", "[cancel_scope]") {
  if (!support::failing_new::available()) return;
  bool happened = true;
  int failures = 0;
  for (int k = 1; happened; ++k) {
    turned_executor here;
    world w;
    cancel_scope scope;
    std::optional<int> got;
    {
      support::failing_new const shortage(k);
      try {
        scope.cancel_after(1h);
        auto f = spawn(here, or_minus_one(scope, use_everything(w)));
        int stage = 0;
        while (!f.done() && go_on(here, w, stage)) continue;
        got = f.get();
      } catch (std::bad_alloc const&) {
        ++failures;
      }
      happened = shortage.happened();
    }
    here.run_all();
    CHECK((!got || *got == 2));
    CHECK(w.inside == 0);
    CHECK(permits_left(w) == w.released);
    CHECK(int(w.items.size()) == w.put - w.taken);
    CHECK(here.armed() == 0);
  }
  if (concur::os::watches_memory) CHECK(failures > 0);  // else the blocks may have been at hand
}

TEST_CASE("cancel_scope: without memory for a timer the deadline is kept all the same", "[cancel_scope]") {
  if (!support::failing_new::available()) return;
  turned_executor here;
  concur::event e;
  cancel_scope scope;
  auto f = spawn(here, or_minus_one(scope, after(e, 3)));
  here.run_all();
  {
    support::failing_new const shortage(1);
    scope.cancel_after(5s);
    CHECK(here.armed() == 0);
    here.run_all();
  }
  CHECK(here.armed() == 1);
  here.turn(5s);
  CHECK(result_of(here, f) == -1);
}

// ---- on many threads

TEST_CASE("cancel_scope: cancels and wakes from many threads", "[cancel_scope]") {
  threads_executor pool(3);
  concur::semaphore permits(0);
  static auto const worker = [](cancel_scope& scope, concur::semaphore& wanted) -> task<int> {
    bool const got = co_await scope.run(wanted.async_acquire());
    co_return got ? 1 : 0;
  };
  for (int round = 0; round < 200; ++round) {
    constexpr int count = 6;
    cancel_scope scopes[count];
    std::vector<future<int>> workers;
    for (auto& scope : scopes) workers.push_back(spawn(pool, worker(scope, permits)));
    std::thread canceller([&] {
      for (auto& scope : scopes) scope.cancel();
    });
    std::thread mover([&] {
      for (auto& scope : scopes) {
        scope.cancel_after(1h);
        scope.cancel_after(std::chrono::microseconds(round % 7));
      }
    });
    permits.release(3);
    int got = 0;
    for (auto& f : workers) got += f.get();
    canceller.join();
    mover.join();
    int left = 0;
    while (permits.try_acquire()) ++left;
    CHECK(got + left == 3);
  }
}

TEST_CASE("cancel_scope: nested scopes that are cancelled from several threads", "[cancel_scope]") {
  threads_executor pool(3);
  concur::event never_set;
  static auto const inside = [](cancel_scope& inner, concur::event& e) -> task<int> {
    bool const ended = co_await inner.run(e.async_wait());
    co_return ended ? 1 : 2;
  };
  static auto const outside = [](cancel_scope& outer, cancel_scope& inner, concur::event& e) -> task<int> {
    std::optional<int> const got = co_await outer.run(inside(inner, e));
    co_return got.value_or(3);
  };
  for (int round = 0; round < 200; ++round) {
    cancel_scope outer, inner;
    auto f = spawn(pool, outside(outer, inner, never_set));
    std::thread other([&] { outer.cancel(); });
    inner.cancel();
    int const got = f.get();
    other.join();
    CHECK((got == 2 || got == 3));
  }
}
