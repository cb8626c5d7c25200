// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/run.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"

#include <concur/core/registry.hpp>
#include <concur/coro/dump_tasks.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::cancelled;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::misuse;
using concur::sleep_for;
using concur::spawn;
using concur::task;
using concur::yield;
using support::counted_value;
using support::rounds;

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

template <class T>
bool was_cancelled(future<T>& f) {
  if (!f.done()) return false;
  try {
    static_cast<void>(f.get());
  } catch (cancelled const&) {
    return true;
  }
  return false;
}

template <class Attempt>
bool is_refused(Attempt attempt) {
  try {
    attempt();
  } catch (misuse const&) {
    return true;
  }
  return false;
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
  pid_t const child = ::fork();
  if (child == 0) {
    bool right = concur::run(number(7, 3)) == 7 && concur::run(number(8, 3)) == 8;
    int ended = 0;
    right = right && is_refused([&] { loop.run(sleeps_for_ever(ended, counted_value())); });
    right = right && ended == 0 && counted_value::alive() == before;
    std::thread([&right] { right = right && concur::run(number(9, 1)) == 9; }).join();
    support::end_child(right);
  }
  CHECK(support::child_was_right(child));
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
