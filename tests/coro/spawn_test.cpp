// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/spawn.hpp>

#include <concur/coro/sleep.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/promise.hpp>
#include <concur/queue/queue.hpp>
#include <concur/queue/select.hpp>
#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/recorded_errors.hpp"
#include "../support/test_task.hpp"
#include "coro_support.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::spawn;
using concur::task;
using support::hand_loop;
using support::noting;

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

bool ended_by_cancel(future<void>& f) {
  try {
    f.get();
  } catch (concur::cancelled const&) {
    return true;
  }
  return false;
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
  CHECK(ended_by_cancel(f));
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
  CHECK(ended_by_cancel(waits));
  CHECK(ended_by_cancel(sleeps));
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
  for (auto& f : all) CHECK(ended_by_cancel(f));
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

// ---- a cancel at every step of a wait, in everything that can be waited in

namespace {

// Everything a task can wait in, and what has been taken out of it.
struct bench {
  hand_loop here;
  concur::event set;
  concur::mutex m;
  concur::semaphore permits{0};
  concur::condition changed;
  bool ready = false;
  concur::queue<int> items{1};
  concur::queue<int> full{1};
  std::optional<concur::promise<int>> promised;
  future<int> answer;
  concur::shared_future<int> shared;
  concur::latch down{1};
  concur::barrier<> meeting{2};
  concur::event for_child;
  future<void> second_party;
  int taken = 0;
};

struct wait_case {
  char const* name;
  void (*prepare)(bench&);
  task<> (*wait)(bench&);
  // Runs in an item of the executor, after the wait has begun.
  void (*wake)(bench&);
  // After the task has ended and was woken or cancelled: whether nothing was lost.
  bool (*intact)(bench&, bool cancelled);
  // Whether a cancel that comes after the wake comes too late.
  bool handed_over = true;
};

void nothing(bench&) {}
void promise_an_answer(bench& b) { b.answer = b.promised.emplace().get_future(); }

wait_case const every_wait[] = {
    {"event", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.set.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.set.set(); }, [](bench& b, bool cancelled) { return b.taken == (cancelled ? 0 : 1); }},
    {"mutex", [](bench& b) { b.m.lock(); },
     [](bench& b) -> task<> {
       auto const guard = co_await b.m.async_lock();
       ++b.taken;
     },
     [](bench& b) { b.m.unlock(); },
     [](bench& b, bool cancelled) {
       bool const free = b.m.try_lock();
       if (free) b.m.unlock();
       return free && b.taken == (cancelled ? 0 : 1);
     },
     false},
    {"semaphore", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.permits.async_acquire();
       b.taken += one;
     },
     [](bench& b) { b.permits.release(); },
     [](bench& b, bool cancelled) { return b.permits.try_acquire() == cancelled && b.taken == (cancelled ? 0 : 1); }},
    {"condition", nothing,
     [](bench& b) -> task<> {
       auto guard = co_await b.m.async_lock();
       auto const is_ready = [&b] { return b.ready; };
       co_await b.changed.async_wait(guard, is_ready);
       ++b.taken;
     },
     [](bench& b) {
       std::lock_guard const hold(b.m);
       b.ready = true;
       b.changed.notify_one();
     },
     [](bench& b, bool cancelled) {
       bool const free = b.m.try_lock();
       if (free) b.m.unlock();
       return free && b.taken == (cancelled ? 0 : 1);
     },
     false},
    {"queue, get", nothing,
     [](bench& b) -> task<> {
       int const item = co_await b.items.async_get();
       b.taken += item;
     },
     [](bench& b) {
       int item = 7;
       CHECK(b.items.try_put(item));
     },
     [](bench& b, bool cancelled) {
       return b.items.try_get().value_or(0) == (cancelled ? 7 : 0) && b.taken == (cancelled ? 0 : 7);
     },
     false},
    {"queue, put", [](bench& b) { b.full.put(1); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.full.async_put(2);
       b.taken += one;
     },
     [](bench& b) { CHECK(b.full.try_get() == 1); },
     [](bench& b, bool cancelled) {
       return b.full.try_get().value_or(0) == (cancelled ? 0 : 2) && b.taken == (cancelled ? 0 : 1);
     },
     false},
    {"select", nothing,
     [](bench& b) -> task<> {
       auto const first = concur::on_get(b.items, [&b](int item) { b.taken += item; });
       auto const second = concur::on_get(b.full, [&b](int item) { b.taken += item; });
       co_await concur::async_select(first, second);
     },
     [](bench& b) {
       int item = 7;
       CHECK(b.full.try_put(item));
     },
     [](bench& b, bool cancelled) {
       return b.full.try_get().value_or(0) == (cancelled ? 7 : 0) && b.taken == (cancelled ? 0 : 7);
     },
     false},
    {"future", promise_an_answer,
     [](bench& b) -> task<> {
       int const value = co_await b.answer;
       b.taken += value;
     },
     [](bench& b) { static_cast<void>(b.promised->try_set_value(7)); },
     [](bench& b, bool cancelled) { return b.answer.done() && b.taken == (cancelled ? 0 : 7); }},
    {"shared future",
     [](bench& b) {
       promise_an_answer(b);
       b.shared = std::move(b.answer).share();
     },
     [](bench& b) -> task<> {
       int const value = co_await b.shared;
       b.taken += value;
     },
     [](bench& b) { static_cast<void>(b.promised->try_set_value(7)); },
     [](bench& b, bool cancelled) { return b.shared.get() == 7 && b.taken == (cancelled ? 0 : 7); }},
    {"latch", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.down.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.down.count_down(); }, [](bench& b, bool cancelled) { return b.taken == (cancelled ? 0 : 1); }},
    {"barrier", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       static_cast<void>(co_await b.meeting.async_arrive_and_wait());
       b.taken += one;
     },
     [](bench& b) {
       b.second_party = spawn(
           b.here,
           [](bench& both) -> task<> {
             int const ten = 10;
             try {
               static_cast<void>(co_await both.meeting.async_arrive_and_wait());
               both.taken += ten;
             } catch (concur::broken_barrier const&) {
             }
           },
           std::ref(b));
     },
     // Who gives up breaks it, and the other one learns of that; who never began leaves the other one waiting.
     [](bench& b, bool cancelled) {
       if (cancelled && !b.second_party.done()) b.second_party.cancel();
       b.here.run_all();
       return b.second_party.done() && b.taken == (cancelled ? 0 : 11);
     },
     false},
    {"sleep", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::sleep_for(1h);
       b.taken += one;
     },
     [](bench& b) { b.here.advance(1h); },
     [](bench& b, bool cancelled) { return b.here.sleepers() == 0 && b.taken == (cancelled ? 0 : 1); }},
    {"child", nothing,
     [](bench& b) -> task<> {
       auto child = spawn(wait_for(b.for_child));
       co_await child;
       ++b.taken;
     },
     [](bench& b) { b.for_child.set(); },
     [](bench& b, bool cancelled) { return b.here.tasks().empty() && b.taken == (cancelled ? 0 : 1); }},
};

enum class canceller { of_the_future, of_all };

// Cancels before item number `step`. Returns whether there was one.
bool cancelled_at(wait_case const& which, int step, canceller how) {
  bench b;
  which.prepare(b);
  auto waits = spawn(b.here, which.wait(b));
  future<void> wakes;
  int done = 0;
  bool struck = false;
  bool woken = false;
  bool woken_before = false;
  for (;; ++done) {
    if (done == step) {
      struck = true;
      woken_before = woken;
      if (how == canceller::of_the_future) {
        waits.cancel();
      } else {
        b.here.tasks().cancel();
      }
    }
    if (b.here.run_one()) continue;
    if (woken) break;
    which.wake(b);
    woken = true;
  }
  if (done < step) struck = false;
  REQUIRE(waits.done());
  bool const cancelled = ended_by_cancel(waits);
  if (!struck) CHECK_FALSE(cancelled);
  if (struck && !woken_before) CHECK(cancelled);
  if (struck && woken_before && which.handed_over && how == canceller::of_the_future) CHECK_FALSE(cancelled);
  CHECK(which.intact(b, cancelled));
  if (b.second_party.valid() && b.second_party.done()) static_cast<void>(b.second_party.error());
  b.here.run_all();
  CHECK(b.here.tasks().empty());
  return struck;
}

}  // namespace

TEST_CASE("spawn: a cancel at every step of every wait loses nothing", "[spawn]") {
  for (auto const& which : every_wait) {
    for (auto const how : {canceller::of_the_future, canceller::of_all}) {
      int steps = 0;
      for (int step = 0;; ++step) {
        INFO(which.name << ", before item " << step << (how == canceller::of_all ? ", all" : ""));
        if (!cancelled_at(which, step, how)) break;
        ++steps;
      }
      INFO(which.name);
      CHECK(steps >= 3);  // before it began, while it waited, between its wake and its resumption
    }
  }
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
