// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/spawn.hpp>

#include <concur/coro/sleep.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/recorded_errors.hpp"
#include "../support/refusals.hpp"
#include "../support/test_task.hpp"
#include "coro_support.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::spawn;
using concur::task;
using support::hand_loop;
using support::noting;
using support::was_cancelled;

task<int> plus_one(int value) {
  int const given = value;
  co_await concur::yield();
  co_return given + 1;
}

task<> wait_for(concur::event& e) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await e.async_wait();
}

}  // namespace

TEST_CASE("spawn: it begins after the call, and its future gives the result", "[spawn]") {
  static auto const begins = [](bool& begun) -> task<std::unique_ptr<int>> {
    begun = true;
    co_return std::make_unique<int>(5);
  };
  hand_loop here;
  bool begun = false;
  auto f = spawn(here, begins(begun));
  CHECK_FALSE(begun);
  CHECK_FALSE(f.done());
  here.run_all();
  CHECK(begun);
  REQUIRE(f.done());
  CHECK(*f.get() == 5);
  CHECK(here.ended() == 1);
  CHECK(here.tasks().empty());
}

TEST_CASE("spawn: inside a task it takes that task's executor, on a thread of one that one, and elsewhere none",
          "[spawn]") {
  static auto const parent = [](concur::executor*& where) -> task<int> {
    auto child = spawn(plus_one(1), "child");
    where = &concur::current_task()->where();
    auto other = spawn([](int value) -> task<int> { return plus_one(value); }, 10);
    int const sum = co_await child;
    co_return sum + co_await other;
  };
  hand_loop here;
  concur::executor* where = nullptr;
  auto f = spawn(here, parent(where));
  here.run_all();
  CHECK(f.get() == 13);
  CHECK(where == &here);
  CHECK(here.ended() == 3);
  {
    concur::executor_scope const on_it(here);
    auto g = spawn(plus_one(2));
    here.run_all();
    CHECK(g.get() == 3);
  }
  CHECK_THROWS_AS(spawn(plus_one(1)), concur::misuse);
  CHECK_THROWS_AS(spawn([] { return plus_one(1); }), concur::misuse);
  CHECK_THROWS_AS(spawn(here, task<int>()), concur::misuse);
  CHECK(here.run_all() == 0);
}

TEST_CASE("spawn: a task has a name and a place", "[spawn]") {
  static auto const asks = [](std::string& name, int& line) -> task<> {
    auto const& origin = concur::current_task()->origin();
    name = origin.name();
    line = origin.place() == nullptr ? 0 : int(concur::location_of(origin.place()).line());
    co_return;
  };
  hand_loop here;
  std::string name;
  int line = 0;
  int const line_of_spawn = __LINE__ + 1;
  auto f = spawn(here, asks(name, line), "a name that takes a block of its own");
  here.run_all();
  CHECK(name == "a name that takes a block of its own");
  CHECK(line == line_of_spawn);
  auto g = spawn(here, asks(name, line));
  here.run_all();
  CHECK(name.empty());
  CHECK(line == line_of_spawn + 4);
}

TEST_CASE("spawn: a callable without arguments has a name and the place of the call", "[spawn]") {
  static auto const asks = [](std::string& name, int& line) -> task<> {
    name = concur::this_task::name();
    auto const place = concur::this_task::spawned_at();
    line = place ? int(place->line()) : 0;
    co_return;
  };
  hand_loop here;
  std::string name = "?";
  int line = 0;
  auto const self = [&] { return asks(name, line); };
  int const first = __LINE__ + 1;
  auto a = spawn(here, self);
  here.run_all();
  CHECK(name.empty());
  CHECK(line == first);
  auto b = spawn(here, self, "named");
  here.run_all();
  CHECK(name == "named");
  CHECK(line == first + 4);
  auto c = spawn(here, self, std::string("named as well"));
  here.run_all();
  CHECK(name == "named as well");
  CHECK(line == first + 8);
  static auto const inside = [](auto const& callable) -> task<> {
    auto d = spawn(callable);
    co_await d;
    auto e = spawn(callable, std::string_view("inside"));
    co_await e;
  };
  auto f = spawn(here, inside(self));
  here.run_all();
  CHECK(name == "inside");
  CHECK(line == first + 15);
  // With arguments: by way of a task.
  auto g = spawn(here, concur::call_task(asks, std::ref(name), std::ref(line)), "last");
  here.run_all();
  CHECK(name == "last");
  CHECK(line == first + 23);
}

TEST_CASE("spawn: a text is an argument where the callable takes one, and else the name", "[spawn]") {
  static auto const text_of = [](std::string_view text) -> std::string {
    return std::string(text) + '/' + std::string(concur::this_task::name());
  };
  struct takes_both {
    task<std::string> operator()() const { co_return text_of("none"); }
    task<std::string> operator()(std::string text) const { co_return text_of(text); }
  };
  auto const takes_one = [](std::string text) -> task<std::string> { co_return text_of(text); };
  auto const takes_none = []() -> task<std::string> { co_return text_of("none"); };
  hand_loop here;
  std::vector<future<std::string>> all;
  std::string_view const text = "text";
  all.push_back(spawn(here, takes_none, "text"));
  all.push_back(spawn(here, takes_none, text));
  all.push_back(spawn(here, takes_one, "text"));
  all.push_back(spawn(here, takes_one, std::string("text")));
  all.push_back(spawn(here, takes_both(), "text"));
  all.push_back(spawn(here, takes_both(), std::string("text")));
  all.push_back(spawn(here, takes_both()));
  here.run_all();
  std::vector<std::string> texts;
  for (auto& each : all) texts.push_back(each.get());
  CHECK(texts == std::vector<std::string>{"none/text", "none/text", "text/", "text/", "text/", "text/", "none/"});
}

TEST_CASE("spawn: a reference comes as a wrapper, and the errors as they are", "[spawn]") {
  static auto const same = [](int& object, bool fails) -> task<int&> {
    co_await concur::yield();
    if (fails) throw std::runtime_error("on purpose");
    co_return object;
  };
  static auto const constant = [](int const& object) -> task<int const&> { co_return object; };
  int object = 3;
  hand_loop here;
  auto f = spawn(here, same(object, false), "reference");
  static_assert(std::is_same_v<decltype(f), future<std::reference_wrapper<int>>>);
  auto g = spawn(here, same(object, true));
  auto h = spawn(here, constant(object));
  auto none = [&] { return spawn(here, task<int&>()); };
  CHECK_THROWS_AS(none(), concur::misuse);
  here.run_all();
  CHECK(&f.get().get() == &object);
  CHECK_THROWS_AS(g.get(), std::runtime_error);
  CHECK(&h.get().get() == &object);
}

TEST_CASE("spawn: a cancel from another thread that gets no memory refuses the next wait", "[spawn]") {
  if (!support::failing_new::available()) return;
  static auto const waits_twice = [](concur::event& first, concur::event& second, int& passed) -> task<> {
    co_await first.async_wait();
    ++passed;
    co_await second.async_wait();
    ++passed;
  };
  hand_loop here;
  concur::event first, second;
  int passed = 0;
  bool happened = false;
  auto f = spawn(here, waits_twice(first, second, passed));
  here.run_all();
  std::thread([&] {
    support::failing_new const shortage(1);
    CHECK(f.cancel());
    happened = shortage.happened();
  }).join();
  if (concur::os::watches_memory) CHECK(happened);  // else the block may have been at hand
  here.run_all();
  CHECK(passed == 0);
  CHECK(f.done() == !happened);  // else the wait goes on
  first.set();
  second.set();
  here.run_all();
  CHECK(passed == (happened ? 1 : 0));
  CHECK(was_cancelled(f));
}

TEST_CASE("spawn: any thread, on one thread and on several", "[spawn]") {
  static auto const child = [](std::atomic<int>& count) -> task<int> {
    count.fetch_add(1);
    co_await concur::yield();
    co_return 1;
  };
  static auto const parent = [](std::atomic<int>& count) -> task<int> {
    auto a = spawn(child(count));
    auto b = spawn(child(count));
    int const sum = co_await a;
    co_return sum + co_await b;
  };
  std::atomic<int> count{0};
  std::atomic<int> sum{0};
  int const times = support::rounds(500);
  {
    support::threads_executor one(1), many(2);
    support::hammer crowd;
    for (int i = 0; i < 3; ++i) {
      crowd.add([&] {
        for (int k = 0; k < times; ++k) {
          auto f = spawn(k % 2 == 0 ? one : many, parent(count));
          if (k % 3 == 0) continue;  // dropped: it goes on
          sum.fetch_add(f.get());
        }
      });
    }
    crowd.run();
  }
  CHECK(count.load() == 3 * times * 2);
  CHECK(sum.load() == 3 * 2 * (times - (times + 2) / 3));
}

TEST_CASE("spawn: a callable and its arguments live until the task has ended", "[spawn]") {
  std::vector<std::string> log;
  hand_loop here;
  concur::event go;
  {
    auto f = spawn(
        here,
        [held = noting(log, "capture"), text = std::string(40, 'c')](concur::event& e,
                                                                     noting const& by_reference) -> task<std::size_t> {
          int const nothing = 0;
          static_cast<void>(nothing);
          static_cast<void>(by_reference);
          co_await e.async_wait();
          co_return text.size();
        },
        std::ref(go), noting(log, "argument"));
    here.run_all();
    CHECK(log.empty());
    go.set();
    here.run_all();
    CHECK(log.size() == 2);
    CHECK(f.get() == 40);
  }
  CHECK(log.size() == 2);
}

namespace {

task<> never_runs(noting, bool& ran) {
  ran = true;
  co_return;
}

// Notes on which thread it is destroyed.
class thread_at_end {
 public:
  explicit thread_at_end(std::thread::id& which) noexcept : which_(&which) {}
  thread_at_end(thread_at_end&& other) noexcept : which_(std::exchange(other.which_, nullptr)) {}
  thread_at_end& operator=(thread_at_end&&) = delete;
  ~thread_at_end() {
    if (which_ != nullptr) *which_ = std::this_thread::get_id();
  }

 private:
  std::thread::id* which_;
};

task<> holds(thread_at_end) { co_return; }

}  // namespace

TEST_CASE("spawn: cancelled before it begins it never does, and its arguments go with it", "[spawn]") {
  std::vector<std::string> log;
  bool ran = false;
  hand_loop here;
  auto f = spawn(here, never_runs(noting(log, "argument"), ran));
  CHECK(f.cancel());
  CHECK(f.done());
  CHECK(log.empty());  // they go where they would have been used
  CHECK(was_cancelled(f));
  CHECK(here.run_all() == 1);
  CHECK(log == std::vector<std::string>{"argument"});
  CHECK_FALSE(ran);
  CHECK(here.ended() == 1);
  CHECK(here.tasks().empty());
}

TEST_CASE("spawn: arguments of a task that never begins are destroyed on the executor's thread", "[spawn]") {
  hand_loop here;
  std::thread::id last;
  std::thread([&] {
    auto f = spawn(here, holds(thread_at_end(last)));
    CHECK(f.cancel());
    CHECK(f.done());
  }).join();
  CHECK(last == std::thread::id());
  here.run_all();
  CHECK(last == std::this_thread::get_id());
  CHECK(here.ended() == 1);
}

TEST_CASE("spawn: a cancel from another thread is done on the executor's", "[spawn]") {
  hand_loop here;
  concur::event never_set;
  auto waits = spawn(here, wait_for(never_set));
  auto sleeps = spawn(here, []() -> task<> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await concur::sleep_for(1h);
  });
  here.run_all();
  std::thread([&] {
    CHECK(waits.cancel());
    CHECK(sleeps.cancel());
    CHECK_FALSE(waits.done());
  }).join();
  CHECK(here.sleepers() == 1);
  here.run_all();
  CHECK(here.sleepers() == 0);
  CHECK(was_cancelled(waits));
  CHECK(was_cancelled(sleeps));
  CHECK_FALSE(here.was_misused());
}

TEST_CASE("spawn: cancels from another thread beside everything a task of one thread does", "[spawn]") {
  static auto const busy = [](concur::semaphore& s) -> task<> {
    for (int i = 0; i < 3; ++i) {
      s.release();
      co_await concur::yield();
      co_await s.async_acquire();
      co_await concur::sleep_for(0s);
    }
  };
  hand_loop here;
  concur::semaphore permits(0);
  int const times = support::rounds(1'000);
  int refused = 0;
  for (int i = 0; i < times; ++i) {
    std::atomic<bool> over{false};
    std::thread other([&] {
      auto f = spawn(here, busy(permits));
      for (int pause = i % 50 * 20; pause > 0; --pause) concur::os::spin_pause();
      f.cancel();
      f.wait();
      if (f.error()) ++refused;
      over.store(true);
    });
    here.run_until([&] { return over.load(); });
    other.join();
    while (permits.try_acquire()) {
    }
  }
  here.run_all();
  CHECK(here.ended() == times);
  CHECK(here.tasks().empty());
  CHECK_FALSE(here.was_misused());
}

TEST_CASE("spawn: the scope of the executor ends all its tasks", "[spawn]") {
  hand_loop here;
  concur::event never_set;
  std::vector<future<void>> all;
  for (int i = 0; i < 5; ++i) all.push_back(spawn(here, wait_for(never_set)));
  here.run_all();
  all.push_back(spawn(here, wait_for(never_set)));  // has not begun
  CHECK(here.tasks().cancel());
  CHECK_FALSE(here.tasks().empty());
  here.run_all();
  all.push_back(spawn(here, wait_for(never_set)));  // too late
  here.run_all();
  for (auto& f : all) CHECK(was_cancelled(f));
  CHECK(here.tasks().empty());
  CHECK(here.ended() == 7);
}

TEST_CASE("spawn: an error that nobody took goes to the hook, a cancel does not", "[spawn]") {
  static auto const fails = []() -> task<> {
    co_await concur::yield();
    throw std::runtime_error("nobody listens");
  };
  support::recorded_errors const hook;
  hand_loop here;
  concur::event never_set;
  static_cast<void>(spawn(here, fails()));
  auto kept = spawn(here, fails());
  {
    auto dropped = spawn(here, wait_for(never_set));
    here.run_all();
    CHECK(dropped.cancel());
  }
  here.run_all();
  CHECK_THROWS_AS(kept.get(), std::runtime_error);
  auto const errors = support::recorded_errors::all();
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].find("nobody listens") != std::string::npos);
}

TEST_CASE("spawn: the coroutine and its arguments are gone before anybody learns of the result", "[spawn]") {
  static auto const uses = [](noting, std::vector<std::string>& log) -> task<int> {
    noting const local(log, "local");
    co_return 1;
  };
  hand_loop here;
  std::vector<std::string> log;
  auto f = spawn(here, uses(noting(log, "argument"), log));
  bool left = false;
  f.on_done([&](concur::outcome<int> const&) {
    log.push_back("callback");
    left = here.tasks().empty() && here.ended() == 1;
  });
  here.run_all();
  CHECK(log == std::vector<std::string>{"local", "argument", "callback"});
  CHECK(left);
}

TEST_CASE("spawn: what is allocated may fail at every step", "[spawn]") {
  if (!support::failing_new::available()) return;
  static auto const work = [](noting, concur::event& e) -> task<std::string> {
    int const nothing = 0;
    static_cast<void>(nothing);
    co_await e.async_wait();
    co_await concur::sleep_for(1s);
    co_return std::string(100, 'x');
  };
  for (int k = 1;; ++k) {
    bool happened = false;
    std::size_t length = 0;
    std::vector<std::string> log;
    log.reserve(10);
    {
      hand_loop here;
      concur::event e;
      noting argument(log, "argument");
      support::failing_new const shortage(k);
      try {
        auto f = spawn(here, work(std::move(argument), e), "a name that takes a block of its own, and a long one");
        auto g = spawn(here, [](int n) -> task<int> { return plus_one(n); }, 1);
        here.run_all();
        e.set();
        here.run_all();
        here.advance(1s);
        here.run_all();
        length = f.get().size() + std::size_t(g.get());
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
      here.run_all();
      e.set();
      here.run_all();
      here.advance(1h);
      here.run_all();
      if (!here.tasks().empty()) length = 1;
    }
    INFO(k);
    CHECK(log == std::vector<std::string>{"argument"});
    CHECK(length == (happened ? 0 : 102));
    if (!happened) {
      CHECK(k > 3);
      break;
    }
  }
}
