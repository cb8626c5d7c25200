// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/run.hpp>

#include "../coro/coro_support.hpp"
#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/own_stderr.hpp"
#include "../support/refusals.hpp"

#include <concur/core/cancellation.hpp>
#include <concur/core/registry.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/dump_tasks.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::cancelled;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::sleep_for;
using concur::spawn;
using concur::task;
using concur::yield;
using support::counted_value;
using support::is_refused;
using support::rounds;
using support::was_cancelled;

event_loop_options virtual_time() { return event_loop_options().virtual_time(); }

task<int> number(int value, int yields = 0) {
  for (int i = 0; i < yields; ++i) co_await yield();
  co_return value;
}
task<> fails(int yields) {
  for (int i = 0; i < yields; ++i) co_await yield();
  throw std::runtime_error("on purpose");
}
task<> sleeps(std::chrono::nanoseconds length) { co_await sleep_for(length); }
task<int> double_of(task<int> other) {
  int const value = co_await std::move(other);
  co_return 2 * value;
}

/// Until it is cancelled, which it counts.
task<> sleeps_for_ever(int& ended, counted_value) {
  try {
    co_await sleep_for(std::chrono::hours::max());
  } catch (cancelled const&) {
    ++ended;
    throw;
  }
}

std::size_t loops_alive() {
  std::string const all = concur::dump_registry();
  std::size_t count = 0;
  for (auto at = all.find("event loop"); at != all.npos; at = all.find("event loop", at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("run gives the task's value or throws its error, again and again") {
  event_loop loop;
  for (int i = 0; i < 3; ++i) {
    INFO(i << " yields");
    CHECK(loop.run(number(i, i)) == i);
    CHECK_THROWS_AS(loop.run(fails(i)), std::runtime_error);
    loop.run(sleeps(1us));
    CHECK(concur::run(number(i, i)) == i);
    CHECK_THROWS_AS(concur::run(fails(i)), std::runtime_error);
    concur::run(sleeps(1us));
    CHECK(concur::run(number(i, i), virtual_time()) == i);
    CHECK(event_loop::current() == nullptr);
    CHECK(concur::current_executor() == nullptr);
  }
  CHECK_FALSE(loop.is_running());
}

TEST_CASE("run passes on what only moves") {
  static auto const made = [](int yields) -> task<std::unique_ptr<int>> {
    for (int i = 0; i < yields; ++i) co_await yield();
    co_return std::make_unique<int>(yields);
  };
  event_loop loop;
  CHECK(*loop.run(made(0)) == 0);
  CHECK(*concur::run(made(2)) == 2);
}

TEST_CASE("a thread keeps its loop for run until it ends") {
  static auto const which = [](event_loop*& found) -> task<> {
    found = event_loop::current();
    co_return;
  };
  std::size_t const before = loops_alive();
  std::size_t during = 0;
  event_loop *first = nullptr, *second = nullptr, *mine = nullptr;
  concur::run(which(mine));
  std::size_t const kept = loops_alive();
  std::thread([&] {
    concur::run(which(first));
    concur::run(which(second));
    during = loops_alive();
  }).join();
  CHECK(first != nullptr);
  CHECK(first == second);
  CHECK(first != mine);
  CHECK(kept <= before + 1);
  CHECK(during == kept + 1);
  CHECK(loops_alive() == kept);
}

TEST_CASE("run works on several threads at the same time") {
  static auto const work = [](int n) -> task<int> {
    int sum = 0;
    for (int i = 0; i < n; ++i) {
      auto f = spawn(number(i, i % 3));
      sum += co_await f;
    }
    co_return sum;
  };
  std::atomic<int> right{0};
  support::hammer crowd;
  crowd.add(4, [&] {
    for (int i = 0; i < rounds(100); ++i) right += concur::run(work(i % 10)) == i % 10 * (i % 10 - 1) / 2 ? 1 : 0;
  });
  crowd.run();
  CHECK(right == 4 * rounds(100));
}

TEST_CASE("a forked child has a loop of its own for run, and may not run its parent's") {
  CHECK(concur::run(number(1, 2)) == 1);
  event_loop loop;
  CHECK(loop.run(number(1, 2)) == 1);
  int const before = counted_value::alive();
  CHECK(support::right_in_child([&] {
    bool right = concur::run(number(7, 3)) == 7 && concur::run(number(8, 3)) == 8;
    int ended = 0;
    right = right && is_refused([&] { loop.run(sleeps_for_ever(ended, counted_value())); });
    right = right && ended == 0 && counted_value::alive() == before;
    std::thread([&right] { right = right && concur::run(number(9, 1)) == 9; }).join();
    return right;
  }));
  CHECK(concur::run(number(2, 2)) == 2);
}

TEST_CASE("what a run leaves behind is cancelled and has ended when it returns") {
  bool const error = GENERATE(false, true);
  static auto const leaves = [](std::vector<future<void>>& left, int& ended, bool fail) -> task<> {
    for (int i = 0; i < 10; ++i) left.push_back(spawn(sleeps_for_ever(ended, counted_value())));
    co_await yield();
    for (int i = 0; i < 10; ++i) left.push_back(spawn(sleeps_for_ever(ended, counted_value())));  // not begun
    if (fail) throw std::runtime_error("on purpose");
  };
  int const before = counted_value::alive();
  event_loop loop;
  for (int round = 0; round < 3; ++round) {
    std::vector<future<void>> left;
    int ended = 0;
    if (error) {
      CHECK_THROWS_AS(loop.run(leaves(left, ended, true)), std::runtime_error);
    } else {
      loop.run(leaves(left, ended, false));
    }
    CHECK(counted_value::alive() == before);
    CHECK(ended == 10);
    for (auto& each : left) CHECK(was_cancelled(each));
    CHECK(loop.tasks().empty());
    CHECK(loop.run(number(round, 3)) == round);  // nothing of the cancel is left
  }
}

TEST_CASE("tasks that spawn others while they are cancelled are all waited for") {
  static auto const spawner = [](auto& self, int depth, int& ended, std::vector<future<void>>& all) -> task<> {
    try {
      co_await sleep_for(1h);
    } catch (cancelled const&) {
    }
    for (int i = 0; depth > 0 && i < 3; ++i) all.push_back(spawn(self(self, depth - 1, ended, all)));
    ++ended;
  };
  static auto const starts = [](int& ended, std::vector<future<void>>& all) -> task<> {
    all.push_back(spawn(spawner(spawner, 3, ended, all)));
    co_await yield();
  };
  event_loop loop;
  int ended = 0;
  std::vector<future<void>> all;
  loop.run(starts(ended, all));
  // A task that is spawned in a cancelled scope never begins.
  CHECK(ended == 1);
  REQUIRE(all.size() == 4);
  all.front().get();
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(was_cancelled(all[i]));
  CHECK(loop.tasks().empty());
}

TEST_CASE("tasks that take their time to end are waited for, timers and all") {
  static auto const slow = [](bool& ended) -> task<> {
    try {
      co_await sleep_for(1h);
    } catch (cancelled const&) {
    }
    for (int i = 0; i < 5; ++i) {
      try {
        co_await yield();
      } catch (cancelled const&) {
      }
    }
    ended = true;
  };
  static auto const starts = [](bool& ended) -> task<> {
    static_cast<void>(spawn(slow(ended)));
    co_await yield();
  };
  bool ended = false;
  event_loop loop;
  loop.run(starts(ended));
  CHECK(ended);
}

TEST_CASE("what other threads spawn beside the end of a run is ended by it, or by a later one") {
  event_loop loop;
  int const before = counted_value::alive();
  std::atomic<bool> over{false};
  std::atomic<int> began{0};
  static auto const guest = [](std::atomic<int>& count, counted_value) -> task<> {
    count.fetch_add(1);
    co_await sleep_for(1h);
  };
  std::vector<future<void>> all;
  std::thread other([&] {
    while (!over.load()) {
      for (int i = 0; i < 20; ++i) all.push_back(loop.spawn(guest(began, counted_value())));
      std::this_thread::yield();
      if (all.size() > 20'000) break;
    }
  });
  for (int i = 0; i < rounds(2000); ++i) {
    if (loop.run(number(i, i % 3)) != i) over.store(true);
  }
  bool const in_time = !over.exchange(true);
  other.join();
  CHECK(in_time);
  loop.run(number(0, 1));
  int refused = 0;
  for (auto& each : all) refused += was_cancelled(each) ? 1 : 0;
  CHECK(std::size_t(refused) == all.size());
  CHECK(counted_value::alive() == before);
}

TEST_CASE("a run within a run is refused, and nothing of its task is left or reported") {
  static auto const nested = [](event_loop& mine, event_loop& other, int& refused) -> task<> {
    // The inner task is an argument that was never awaited.
    refused += is_refused([&] { mine.run(double_of(number(1))); });
    co_await yield();
    refused += is_refused([&] { other.run(double_of(number(1))); });
    refused += is_refused([&] { concur::run(double_of(number(1))); });
    refused += is_refused([&] { concur::run(double_of(number(1)), virtual_time()); });
    co_await yield();
  };
  event_loop loop, other;
  int refused = 0;
  int ended = 0;
  auto on_other = other.spawn(sleeps_for_ever(ended, counted_value()));
  loop.run(nested(loop, other, refused));
  CHECK(refused == 4);
  // What waits on the other loop is none of its business.
  CHECK_FALSE(on_other.done());
  other.call_soon([&] { other.stop(); });
  other.run_forever();
  CHECK_FALSE(on_other.done());
  CHECK(other.run(number(5, 2)) == 5);
  CHECK(was_cancelled(on_other));
}

TEST_CASE("a task without a coroutine is refused") {
  event_loop loop;
  auto body = number(1);
  auto const taken = loop.run(std::move(body));
  CHECK(taken == 1);
  CHECK(is_refused([&] { loop.run(std::move(body)); }));
  CHECK(loop.run(number(2)) == 2);
}

TEST_CASE("a stop cancels the task of run") {
  static auto const stops = [](event_loop& loop, int& cleaned) -> task<int> {
    loop.stop();
    try {
      co_await sleep_for(1h);
    } catch (cancelled const&) {
      ++cleaned;
      throw;
    }
    co_return 1;
  };
  static auto const stubborn = [](event_loop& loop) -> task<int> {
    loop.stop();
    try {
      co_await sleep_for(1h);
    } catch (cancelled const&) {
      loop.stop();
    }
    co_return 2;
  };
  event_loop loop;
  int cleaned = 0;
  CHECK_THROWS_AS(loop.run(stops(loop, cleaned)), cancelled);
  CHECK(cleaned == 1);
  CHECK(loop.run(stubborn(loop)) == 2);
  CHECK(loop.run(number(3, 3)) == 3);
  for (int i = 0; i < rounds(100); ++i) {
    std::thread other([&] { loop.stop(); });
    CHECK_THROWS_AS(loop.run(sleeps(1h)), cancelled);
    other.join();
  }
  CHECK(loop.run(number(4, 3)) == 4);
}

TEST_CASE("a loop that is closed runs and takes nothing more") {
  event_loop loop;
  int ended = 0;
  int const before = counted_value::alive();
  auto left = loop.spawn(sleeps_for_ever(ended, counted_value()));
  loop.call_soon([&] { loop.stop(); });
  loop.run_forever();
  loop.close();
  CHECK(ended == 1);
  CHECK(was_cancelled(left));
  CHECK(is_refused([&] { loop.run(sleeps_for_ever(ended, counted_value())); }));
  CHECK(is_refused([&] { loop.run(double_of(number(1))); }));
  CHECK(is_refused([&] { static_cast<void>(loop.spawn(sleeps_for_ever(ended, counted_value()))); }));
  CHECK(is_refused([&] { static_cast<void>(loop.spawn(double_of(number(1)))); }));
  CHECK(ended == 1);
  CHECK(counted_value::alive() == before);
}

TEST_CASE("a loop that runs cannot be closed") {
  static auto const closes = [](event_loop& loop) -> task<bool> {
    bool const refused = is_refused([&] { loop.close(); });
    co_return refused;
  };
  event_loop loop;
  CHECK(loop.run(closes(loop)));
  CHECK_FALSE(loop.is_closed());
}

TEST_CASE("a run with too little memory throws std::bad_alloc, and the loop is as it was") {
  static auto const child = [](int value, counted_value) -> task<int> {
    co_await sleep_for(std::chrono::seconds(value));
    co_return value;
  };
  // Its own error would have nobody to take it, so it needs no timer.
  static auto const left_behind = [](concur::event& never, counted_value) -> task<> { co_await never.async_wait(); };
  static auto const parent = [](concur::event& never, counted_value) -> task<int> {
    auto left = spawn(left_behind(never, counted_value()), "a name that does not fit into a short string");
    auto f = spawn(child(1, counted_value()));
    auto g = spawn(child(2, counted_value()));
    int const sum =
        co_await concur::gather(child(3, counted_value()), child(4, counted_value())) == std::tuple<int, int>(3, 4) ? 7
                                                                                                                    : 0;
    int const rest = co_await f + co_await g;
    co_return sum + rest;
  };
  int const before = counted_value::alive();
  int succeeded = 0;
  auto const each = [&](auto const& run) {
    for (int k = 1;; ++k) {
      INFO("allocation " << k << " fails");
      concur::event never;
      bool no_memory = false;
      bool happened = false;
      {
        support::failing_new const shortage(k);
        try {
          succeeded += run(never) == 10 ? 1 : 0;
        } catch (std::bad_alloc const&) {
          no_memory = true;
        }
        happened = shortage.happened();
      }
      CHECK(no_memory == happened);
      CHECK(counted_value::alive() == before);
      if (!happened) break;
    }
  };
  each([](concur::event& never) { return concur::run(parent(never, counted_value()), virtual_time()); });
  CHECK(succeeded == 1);
  event_loop loop(virtual_time());
  each([&loop](concur::event& never) {
    return loop.run(parent(never, counted_value()), "another name that does not fit into a short string");
  });
  CHECK(succeeded == 2);
  CHECK(loop.tasks().empty());
}

TEST_CASE("memory may be short for the loop that a thread keeps") {
  if (!support::failing_new::available()) return;
  bool right = false;
  std::thread([&right] {
    for (int k = 1;; ++k) {
      bool no_memory = false;
      support::failing_new const shortage(k);
      try {
        right = concur::run(number(4, 1)) == 4;
      } catch (std::bad_alloc const&) {
        no_memory = true;
      }
      if (no_memory != shortage.happened()) break;
      if (!no_memory) return;
    }
    right = false;
  }).join();
  CHECK(right);
}

TEST_CASE("a deadlock in virtual time names who waits and where, and leaves nothing behind") {
  static auto const waits = [](concur::event& never, unsigned& line, counted_value) -> task<> {
    line = std::source_location::current().line() + 1;
    co_await never.async_wait();
  };
  static auto const starts = [](concur::event& never, unsigned& line, unsigned& spawned) -> task<> {
    spawned = std::source_location::current().line() + 1;
    auto f = spawn(waits(never, line, counted_value()), "patience");
    co_await f;
  };
  event_loop loop(virtual_time());
  int const before = counted_value::alive();
  for (int round = 0; round < 2; ++round) {
    concur::event never;
    unsigned line = 0, spawned = 0;
    std::string text;
    try {
      loop.run(starts(never, line, spawned), "outermost");
    } catch (concur::deadlock const& found) {
      text = found.what();
    }
    INFO(text);
    CHECK(text.find("\"outermost\"") != text.npos);
    CHECK(text.find("\"patience\" spawned at run_test.cpp:" + std::to_string(spawned) +
                    ", waits at run_test.cpp:" + std::to_string(line)) != text.npos);
    CHECK(counted_value::alive() == before);
    CHECK(loop.tasks().empty());
    CHECK(loop.run(number(6, 2)) == 6);
  }
}

namespace {

/// Waits for something behind a shield, so that no cancel ends it.
task<> waits_behind_a_shield(concur::event& e, int& ended) {
  static auto const waits = [](concur::event& inner) -> task<> {
    concur::task_context& mine = *concur::current_task();
    concur::cancellation& outer = mine.scope();
    concur::cancellation shelter(outer, concur::cancellation::shelter::shielded);
    mine.move_to_scope(shelter);
    co_await inner.async_wait();
    mine.move_to_scope(outer);
  };
  co_await waits(e);
  ++ended;
}

}  // namespace

TEST_CASE("a deadlock that not even a cancel ends is thrown by each run until somebody wakes the tasks") {
  event_loop loop(virtual_time());
  concur::event late;
  int ended = 0, began = 0;
  static auto const begins = [](int& count) -> task<> {
    ++count;
    co_return;
  };
  auto const deadlock_of = [&](auto attempt) -> std::string {
    try {
      attempt();
    } catch (concur::deadlock const& found) {
      return found.what();
    }
    return {};
  };
  CHECK(deadlock_of([&] { loop.run(waits_behind_a_shield(late, ended), "stubborn"); }).find("\"stubborn\"") !=
        std::string::npos);
  for (int i = 0; i < 2; ++i) {
    auto const again = deadlock_of([&] { loop.run(begins(began)); });
    INFO(again);
    CHECK(again.find("\"stubborn\"") != std::string::npos);
  }
  CHECK(began == 0);
  CHECK(ended == 0);
  late.set();
  loop.run(begins(began));
  CHECK(began == 1);
  CHECK(ended == 1);
  CHECK(loop.tasks().empty());
  CHECK(loop.run(number(3, 2)) == 3);
}

TEST_CASE("after such a deadlock the tasks may also end in another way, and nothing of the cancel is left") {
  event_loop loop(virtual_time());
  concur::event late;
  int ended = 0;
  CHECK_THROWS_AS(loop.run(waits_behind_a_shield(late, ended)), concur::deadlock);
  late.set();
  loop.run_until([&] { return loop.tasks().empty(); });
  CHECK(ended == 1);
  CHECK(loop.run(number(3, 2)) == 3);
}

TEST_CASE("a loop in virtual time that cannot end waits for other threads, and says for whom") {
  CHECK(support::right_in_child([] {
    static constexpr std::string_view sentence = "an event loop cannot be closed: nothing is left that could wake";
    support::own_stderr printed;
    concur::event late;
    int ended = 0;
    std::string text;
    std::thread other;
    {
      event_loop loop(virtual_time());
      try {
        loop.run(waits_behind_a_shield(late, ended), "stubborn");
      } catch (concur::deadlock const&) {
      }
      other = std::thread([&] {
        text = printed.read_until("\"stubborn\"");
        text += printed.read_for(1200ms);  // it rests for a second each time
        late.set();
      });
    }
    other.join();
    auto const found = text.find(sentence);
    return ended == 1 && found < text.find("\"stubborn\"") && text.find(sentence, found + 1) == text.npos;  // once
  }));
}

TEST_CASE("run takes a callable with its arguments, and keeps both until the end") {
  auto const held = std::make_shared<int>(5);
  std::weak_ptr<int> const watched = held;
  auto const sum = [held](std::unique_ptr<int> a, int b) -> task<int> {
    co_await yield();
    co_return *held + *a + b;
  };
  CHECK(concur::run(sum, std::make_unique<int>(2), 3) == 10);
  auto once = [kept = std::make_unique<int>(4)]() -> task<int> {
    co_await yield();
    co_return *kept;
  };
  CHECK(concur::run(std::move(once)) == 4);
  event_loop loop;
  CHECK(loop.run(sum, std::make_unique<int>(3), 4) == 12);
  CHECK(loop.run([kept = std::make_unique<int>(6)]() -> task<int> {
    co_await yield();
    co_return *kept;
  }) == 6);
  CHECK_THROWS_AS(loop.run(fails, 2), std::runtime_error);
  static_assert(std::is_void_v<decltype(loop.run([]() -> task<> { co_return; }))>);
  CHECK(concur::run(
            []() -> task<int> {
              co_await sleep_for(24h);
              co_return 6;
            },
            virtual_time()) == 6);
  concur::run([]() -> task<> { co_return; });
  static_assert(std::is_void_v<decltype(concur::run([]() -> task<> { co_return; }))>);
  CHECK_THROWS_AS(concur::run(fails, 2), std::runtime_error);
  CHECK(watched.use_count() == 2);  // here and in the lambda
}

TEST_CASE("what stands behind a callable is its argument, else a text is the name of the task") {
  auto const own_name = []() -> task<std::string> { co_return std::string(concur::this_task::name()); };
  auto const own_name_and = [](std::string text) -> task<std::string> {
    co_return std::string(concur::this_task::name()) + '/' + text;
  };
  event_loop loop;
  CHECK(concur::run(own_name(), "spider") == "spider");
  CHECK(concur::run(own_name, "spider") == "spider");
  CHECK(concur::run(own_name_and, "web") == "/web");
  CHECK(loop.run(own_name(), "spider") == "spider");
  CHECK(loop.run(own_name, "spider") == "spider");
  CHECK(loop.run(own_name_and, "web") == "/web");
  auto const all = [&](event_loop& here) -> task<std::string> {
    auto a = here.spawn(own_name());
    auto b = here.spawn(own_name, "spider");
    auto c = here.spawn(own_name_and, "web");
    auto d = here.spawn(own_name);
    co_return co_await a + co_await b + co_await c + co_await d;
  };
  CHECK(loop.run(all, std::ref(loop)) == "spider/web");
}

TEST_CASE("the task of a callable has the place of the call") {
  unsigned line = 0;
  unsigned const here = std::source_location::current().line() + 1;
  concur::run([&line]() -> task<> {
    line = concur::this_task::spawned_at()->line();
    co_return;
  });
  CHECK(line == here);
  auto const notes = [&line]() -> task<> {
    line = concur::this_task::spawned_at()->line();
    co_return;
  };
  event_loop loop;
  for (int form = 0; form < 4; ++form) {
    unsigned const before = std::source_location::current().line();
    if (form == 0) loop.run(notes);
    if (form == 1) loop.run(notes, "name");
    if (form == 2) concur::run(notes, "name");
    if (form == 3) loop.run_until([f = loop.spawn(notes)] { return f.done(); });
    CHECK(line == before + unsigned(form) + 1);
  }
}

TEST_CASE("run gives references, what only moves and what has no default") {
  struct sealed {
    explicit sealed(int n) noexcept : number(n) {}
    sealed(sealed&&) noexcept = default;
    sealed& operator=(sealed&&) = delete;
    int number;
  };
  static auto const same = [](int& object, bool broken) -> task<int&> {
    co_await yield();
    if (broken) throw std::runtime_error("on purpose");
    co_return object;
  };
  static auto const made = []() -> task<sealed> { co_return sealed(3); };
  int object = 1;
  event_loop loop;
  static_assert(std::is_same_v<decltype(concur::run(same(object, false))), int&>);
  static_assert(std::is_same_v<decltype(loop.run(same(object, false))), int&>);
  CHECK(&concur::run(same(object, false)) == &object);
  CHECK(&loop.run(same(object, false)) == &object);
  CHECK(&concur::run(same, std::ref(object), false) == &object);
  CHECK(&concur::run(same(object, false), virtual_time()) == &object);
  CHECK_THROWS_AS(loop.run(same(object, true)), std::runtime_error);
  CHECK(loop.run(made()).number == 3);
  CHECK(concur::run(made).number == 3);
}

TEST_CASE("to block for a task on the only thread that can run it is refused") {
  static auto const blocks = [](int& refused) -> task<> {
    auto f = spawn(sleeps(1us));
    refused += is_refused([&] { f.get(); });
    refused += is_refused([&] { static_cast<void>(f.wait_for(1ms)); });
    co_await f;
  };
  int refused = 0;
  concur::run(blocks(refused));
  CHECK(refused == 2);
}

TEST_CASE("the task of a run has a name and a place in reports") {
  static auto const reports = [](event_loop& loop, std::string& text) -> task<> {
    co_await yield();
    text = concur::describe_tasks(loop);
  };
  event_loop loop;
  std::string text;
  unsigned const line = std::source_location::current().line() + 1;
  loop.run(reports(loop, text), "first");
  INFO(text);
  CHECK(text.find("task \"first\" spawned at run_test.cpp:" + std::to_string(line)) != text.npos);
}

TEST_CASE("run: what was queued before comes before the first step of the task", "[run]") {
  concur::event_loop loop;
  std::vector<int> order;
  auto const note = [&order](int n) -> task<> {
    order.push_back(n);
    co_await concur::yield();
    order.push_back(n + 10);
  };
  loop.run(note(1));
  CHECK(order == std::vector<int>{1, 11});
  order.clear();
  loop.call_soon([&] { order.push_back(1); });
  loop.run(note(2));
  CHECK(order == std::vector<int>{1, 2, 12});
  order.clear();
  std::thread([&] { loop.post([&] { order.push_back(3); }); }).join();
  loop.run(note(4));
  CHECK(order == std::vector<int>{3, 4, 14});
}
