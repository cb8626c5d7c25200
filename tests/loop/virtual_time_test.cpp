// SPDX-License-Identifier: BSL-1.0
//
// Tasks in virtual time, and tasks whose loop runs what is ready in any order.
#include <concur/loop/run.hpp>

#include "../support/catch.hpp"
#include "../support/loop_orders.hpp"

#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/wait.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/queue/queue.hpp>
#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
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
using concur::time_point;
using concur::yield;

event_loop_options virtual_time() { return event_loop_options().virtual_time(); }

time_point now() { return event_loop::current()->time(); }

task<> notes_after(std::chrono::nanoseconds length, int number, std::vector<int>& seen) {
  co_await sleep_for(length);
  seen.push_back(number);
}
task<> sleeps(std::chrono::nanoseconds length) { co_await sleep_for(length); }

}  // namespace

TEST_CASE("virtual time: years pass at once, and exactly") {
  static auto const sleeper = [](event_loop& loop) -> task<bool> {
    auto const start = loop.time();
    co_await sleep_for(24h * 365);
    bool right = loop.time() == start + 24h * 365;
    co_await concur::sleep_until(start + 24h * 365 * 2);
    right = right && loop.time() == start + 24h * 365 * 2;
    co_await concur::sleep_until(start);  // long ago
    right = right && loop.time() == start + 24h * 365 * 2;
    co_return right;
  };
  event_loop loop(virtual_time());
  auto const begin = loop.time();
  CHECK(loop.run(sleeper(loop)));
  CHECK(loop.time() == begin + 24h * 365 * 2);  // goes on from run to run
  CHECK(loop.run(sleeper(loop)));
}

TEST_CASE("virtual time: sleepers wake in the order of their deadlines, those of the same in the order they slept") {
  static auto const starts = [](std::vector<int>& seen) -> task<> {
    std::vector<future<void>> all;
    for (int i = 0; i < 10; ++i) all.push_back(spawn(notes_after(std::chrono::hours(10 - i / 2), i, seen)));
    for (auto& each : all) co_await each;
  };
  std::vector<int> seen;
  concur::run(starts(seen), virtual_time());
  CHECK(seen == std::vector{8, 9, 6, 7, 4, 5, 2, 3, 0, 1});
}

TEST_CASE("virtual time: many sleepers, each woken at its moment") {
  static auto const sleeper = [](std::chrono::nanoseconds length, time_point& last, int& wrong) -> task<> {
    auto const due = now() + length;
    co_await sleep_for(length);
    if (now() != due || due < last) ++wrong;
    last = due;
  };
  static auto const starts = [](int count, int& wrong) -> task<> {
    std::vector<future<void>> all;
    time_point last{};
    std::uint64_t random = 1;
    for (int i = 0; i < count; ++i) {
      random = random * 6364136223846793005 + 1442695040888963407;
      all.push_back(spawn(sleeper(std::chrono::nanoseconds(1 + (random >> 40)), last, wrong)));
    }
    for (auto& each : all) co_await each;
  };
  int wrong = 0;
  concur::run(starts(support::rounds(50'000), wrong), virtual_time());
  CHECK(wrong == 0);
}

TEST_CASE("virtual time: timeouts and deadlines pass at their moment") {
  static auto const limits = [](std::string& log) -> task<> {
    auto const start = now();
    auto const at = [&start] { return std::to_string((now() - start) / 1h) + ' '; };
    try {
      co_await concur::timeout(2h, sleeps(3h));
      log += "late ";
    } catch (concur::timed_out const&) {
      log += "timeout " + at();
    }
    bool const in_time = co_await concur::move_on_after(2h, sleeps(1h));
    log += (in_time ? "in time " : "late ") + at();
    bool const late = !co_await concur::move_on_after(1h, sleeps(2h));
    log += (late ? "moved on " : "in time ") + at();
    co_await concur::timeout_at(start + 6h, sleeps(1h));
    log += at();
    concur::cancel_scope scope;
    scope.cancel_after(5h);
    bool const whole = co_await scope.run(sleeps(9h));
    log += (whole ? "whole " : "cancelled ") + at();
  };
  std::string log;
  concur::run(limits(log), virtual_time());
  CHECK(log == "timeout 2 in time 3 moved on 4 5 cancelled 10 ");
}

TEST_CASE("virtual time: the limit of a wait for futures passes in it, also when the clock has left the real one") {
  static auto const limits = [](std::vector<std::size_t>& done, std::vector<long>& hours) -> task<> {
    co_await sleep_for(1000h);
    std::vector<future<void>> all;
    for (int i = 1; i <= 3; ++i) all.push_back(spawn(sleeps(std::chrono::hours(i))));
    auto const start = now();
    for (auto limit : {-1min, 0min, 90min, 600min}) {
      auto const found = co_await concur::wait(all, concur::all_completed, limit);
      done.push_back(found.done.size());
      hours.push_back((now() - start) / 30min);
    }
  };
  std::vector<std::size_t> done;
  std::vector<long> half_hours;
  concur::run(limits(done, half_hours), virtual_time());
  CHECK(done == std::vector<std::size_t>{0, 0, 1, 3});
  CHECK(half_hours == std::vector<long>{0, 0, 3, 6});
}

TEST_CASE("virtual time: callbacks and tasks share one clock") {
  static auto const starts = [](event_loop& loop, std::vector<int>& seen) -> task<> {
    auto const mark = [&seen](int n) { seen.push_back(n); };
    auto a = spawn(notes_after(2h, 2, seen));
    loop.call_later(1h, mark, 1);
    loop.call_later(3h, mark, 3);
    auto never = loop.call_later(150min, mark, -1);
    loop.call_later(140min, [&never] { never.cancel(); });
    auto b = spawn(notes_after(4h, 4, seen));
    loop.call_at(loop.time() + 5h, [&seen, &loop] {
      seen.push_back(5);
      loop.call_soon([&seen] { seen.push_back(6); });
    });
    co_await a;
    co_await b;
    co_await sleep_for(2h);
  };
  event_loop loop(virtual_time());
  std::vector<int> seen;
  loop.run(starts(loop, seen));
  CHECK(seen == std::vector{1, 2, 3, 4, 5, 6});
}

// ---- order independence

namespace {

constexpr int wrong_value = -1;

/// Each gives 1 if all was right, whatever the order in which ready items run.
task<int> mutual_exclusion() {
  concur::mutex mine;
  int inside = 0, most = 0, sum = 0;
  static auto const user = [](concur::mutex& m, int& in, int& peak, int& total, int pauses) -> task<> {
    for (int i = 0; i < 3; ++i) {
      auto const held = co_await m.async_lock();
      peak = std::max(peak, ++in);
      for (int k = 0; k < pauses; ++k) co_await yield();
      --in;
      ++total;
    }
  };
  {
    std::vector<future<void>> all;
    for (int i = 0; i < 5; ++i) all.push_back(spawn(user(mine, inside, most, sum, i % 3)));
    for (auto& each : all) co_await each;
  }
  co_return most == 1 && sum == 15 ? 1 : wrong_value;
}

task<int> readers_and_writers() {
  concur::shared_mutex both;
  int readers = 0, writers = 0, wrong = 0;
  static auto const reads = [](concur::shared_mutex& m, int& r, int& w, int& bad) -> task<> {
    auto const held = co_await m.async_lock_shared();
    ++r;
    bad += w;
    co_await yield();
    --r;
  };
  static auto const writes = [](concur::shared_mutex& m, int& r, int& w, int& bad) -> task<> {
    auto const held = co_await m.async_lock();
    bad += r + w;
    ++w;
    co_await yield();
    --w;
  };
  std::vector<future<void>> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back(i % 3 == 0 ? spawn(writes(both, readers, writers, wrong))
                             : spawn(reads(both, readers, writers, wrong)));
  }
  for (auto& each : all) co_await each;
  co_return wrong == 0 ? 1 : wrong_value;
}

task<int> permits_under_cancel() {
  concur::semaphore permits(2);
  static auto const user = [](concur::semaphore& s, int pauses) -> task<> {
    co_await s.async_acquire();
    try {
      for (int i = 0; i < pauses; ++i) co_await yield();
      co_await sleep_for(std::chrono::seconds(pauses));
    } catch (cancelled const&) {
      s.release();
      throw;
    }
    s.release();
  };
  std::vector<future<void>> all;
  for (int i = 0; i < 8; ++i) all.push_back(spawn(user(permits, i % 4)));
  co_await yield();
  all[1].cancel();
  all[6].cancel();
  co_await sleep_for(1s);
  all[2].cancel();
  for (auto& each : all) {
    try {
      co_await each;
    } catch (cancelled const&) {
    }
  }
  int free = 0;
  while (permits.try_acquire()) ++free;
  co_return free == 2 ? 1 : wrong_value;
}

task<int> meeting() {
  concur::barrier<> all(4);
  concur::latch done(4);
  int rounds_of[4] = {};
  int wrong = 0;
  static auto const party = [](concur::barrier<>& b, concur::latch& l, int* counts, int me, int& bad) -> task<> {
    for (int i = 0; i < 3; ++i) {
      ++counts[me];
      static_cast<void>(co_await b.async_arrive_and_wait());
      for (int k = 0; k < 4; ++k) bad += counts[k] < i + 1 ? 1 : 0;
      static_cast<void>(co_await b.async_arrive_and_wait());
    }
    l.count_down();
  };
  std::vector<future<void>> parties;
  for (int i = 0; i < 4; ++i) parties.push_back(spawn(party(all, done, rounds_of, i, wrong)));
  co_await done.async_wait();
  for (auto& each : parties) co_await each;
  co_return wrong == 0 ? 1 : wrong_value;
}

task<int> pipeline() {
  concur::queue<int> first(2), second(1);
  static auto const produces = [](concur::queue<int>& out, int from) -> task<> {
    for (int i = 0; i < 5; ++i) co_await out.async_put(from + i);
  };
  static auto const doubles = [](concur::queue<int>& in, concur::queue<int>& out) -> task<> {
    try {
      for (;;) {
        int const item = co_await in.async_get();
        co_await out.async_put(item * 2);
      }
    } catch (concur::closed const&) {
    }
  };
  static auto const sums = [](concur::queue<int>& in, int& total) -> task<> {
    try {
      for (;;) total += co_await in.async_get();
    } catch (concur::closed const&) {
    }
  };
  int total = 0;
  std::vector<future<void>> makers, middle;
  auto end = spawn(sums(second, total));
  for (int i = 0; i < 2; ++i) middle.push_back(spawn(doubles(first, second)));
  for (int i = 0; i < 3; ++i) makers.push_back(spawn(produces(first, 10 * i)));
  for (auto& each : makers) co_await each;
  first.close();
  for (auto& each : middle) co_await each;
  second.close();
  co_await end;
  co_return total == 2 * (10 + 60 + 110) ? 1 : wrong_value;
}

task<int> first_failure() {
  static auto const works = [](int pauses, int& ended) -> task<> {
    for (int i = 0; i < pauses; ++i) co_await yield();
    ++ended;
    if (pauses == 3) throw std::runtime_error("on purpose");
    try {
      co_await sleep_for(1h);
    } catch (cancelled const&) {
      ++ended;
      throw;
    }
  };
  int ended = 0;
  bool failed = false;
  auto const start = now();
  try {
    co_await concur::gather(works(0, ended), works(3, ended), works(1, ended));
  } catch (std::runtime_error const&) {
    failed = true;
  }
  co_return failed&& ended == 5 && now() == start ? 1 : wrong_value;
}

task<int> limits() {
  static auto const takes = [](concur::queue<int>& from) -> task<int> {
    int const item = co_await from.async_get();
    co_return item;
  };
  concur::queue<int> items(4);
  std::vector<future<std::optional<int>>> all;
  for (int i = 1; i <= 4; ++i) all.push_back(spawn(concur::move_on_after(std::chrono::seconds(i), takes(items))));
  co_await sleep_for(2500ms);
  for (int i = 0; i < 3; ++i) co_await items.async_put(7);
  int got = 0;
  for (auto& each : all) got += (co_await each).value_or(0);
  bool const one_is_left = items.try_get().has_value();
  co_return got == 14 && one_is_left ? 1 : wrong_value;
}

task<int> limit_beside_the_event() {
  concur::event set;
  static auto const waits = [](concur::event& e) -> task<> { co_await e.async_wait(); };
  static auto const sets = [](concur::event& e) -> task<> {
    co_await sleep_for(1s);
    e.set();
  };
  auto setter = spawn(sets(set));
  auto const start = now();
  bool const whole = co_await concur::move_on_after(1s, waits(set));
  bool const right = now() == start + 1s && (!whole || set.is_set());
  co_await setter;
  co_return right ? 1 : wrong_value;
}

task<int> futures_in_any_order() {
  std::vector<future<void>> all;
  for (int i = 0; i < 6; ++i) all.push_back(spawn(sleeps(std::chrono::seconds(i % 3))));
  auto const start = now();
  auto const some = co_await concur::wait(all, concur::first_completed);
  bool right = !some.done.empty() && now() == start;
  auto const later = co_await concur::wait(all, concur::all_completed, 1500ms);
  right = right && later.done.size() == 4 && now() == start + 1500ms;
  auto const rest = co_await concur::wait(all);
  right = right && rest.pending.empty() && now() == start + 2s;
  co_return right ? 1 : wrong_value;
}

task<int> cancels_of_the_ready() {
  static auto const counts = [](int& began, int& ended) -> task<> {
    ++began;
    try {
      co_await yield();
      co_await sleep_for(1s);
    } catch (cancelled const&) {
      ++ended;
      throw;
    }
    ++ended;
  };
  int began = 0, ended = 0, refused = 0;
  std::vector<future<void>> all;
  for (int i = 0; i < 6; ++i) all.push_back(spawn(counts(began, ended)));
  for (int i = 0; i < 6; ++i) {
    all[std::size_t(i)].cancel();
    if (i % 2 == 0) co_await yield();
  }
  for (auto& each : all) {
    try {
      co_await each;
    } catch (cancelled const&) {
      ++refused;
    }
  }
  co_return began == ended&& refused == 6 ? 1 : wrong_value;
}

struct scenario {
  char const* name;
  task<int> (*make)();
};
constexpr scenario scenarios[] = {
    {"mutual exclusion", mutual_exclusion},
    {"readers and writers", readers_and_writers},
    {"permits under cancel", permits_under_cancel},
    {"meeting", meeting},
    {"pipeline", pipeline},
    {"first failure", first_failure},
    {"limits", limits},
    {"limit beside the event", limit_beside_the_event},
    {"futures in any order", futures_in_any_order},
    {"cancels of the ready", cancels_of_the_ready},
};

}  // namespace

TEST_CASE("tasks are right in whatever order their loop runs what is ready") {
  support::in_every_order([](support::order which) {
    event_loop loop(virtual_time().ready_order(support::of_a_loop(which)));
    for (auto const& each : scenarios) {
      INFO(each.name << ", " << which);
      REQUIRE(loop.run(each.make()) == 1);
      REQUIRE(loop.tasks().empty());
    }
  });
}
