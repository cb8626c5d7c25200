// SPDX-License-Identifier: BSL-1.0
#include <concur/loop/event_loop.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/recorded_errors.hpp"

#include <concur/core/registry.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::callback_handle;
using concur::event_loop;
using concur::event_loop_options;
using concur::ready_order;
using support::counted_value;
using support::recorded_errors;
using support::rounds;

static_assert(!std::is_copy_constructible_v<event_loop> && !std::is_move_constructible_v<event_loop>);
static_assert(!std::is_copy_constructible_v<callback_handle> && std::is_nothrow_move_constructible_v<callback_handle>);
static_assert(!std::is_convertible_v<event_loop_options, event_loop>);

event_loop_options virtual_time() { return event_loop_options().virtual_time(); }

/// Runs until nothing is ready any more.
void run_ready(event_loop& loop) {
  loop.stop();
  loop.run_forever();
}

std::string text_of(std::vector<int> const& numbers) {
  std::string text;
  for (int each : numbers) text += std::to_string(each) + ' ';
  return text;
}

}  // namespace

TEST_CASE("callbacks run in the order of the calls, and what they add runs a round later") {
  event_loop loop;
  std::vector<int> seen;
  loop.call_soon([&] {
    seen.push_back(1);
    loop.call_soon([&] { seen.push_back(4); });
    loop.call_soon([&] {
      seen.push_back(5);
      loop.stop();
    });
  });
  loop.call_soon([&] { seen.push_back(2); });
  loop.post([&] { seen.push_back(3); });
  loop.run_forever();
  CHECK(seen == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE("a callback gets its arguments as rvalues, and ends with its call") {
  event_loop loop;
  int const before = counted_value::alive();
  int sum = 0;
  loop.call_soon(
      [&](std::unique_ptr<int> a, counted_value const& b, int& c) {
        c = *a + b.value();
        CHECK(counted_value::alive() == before + 1);
      },
      std::make_unique<int>(3), counted_value(4), std::ref(sum));
  CHECK(counted_value::alive() == before + 1);
  run_ready(loop);
  CHECK(sum == 7);
  CHECK(counted_value::alive() == before);
}

TEST_CASE("timers run in the order of their deadlines, and equal ones in the order of the calls") {
  event_loop loop(virtual_time());
  std::vector<int> seen;
  auto const start = loop.time();
  auto const mark = [&](int n) { seen.push_back(n); };
  loop.call_later(3h, mark, 5);
  loop.call_later(1h, mark, 2);
  loop.call_at(start + 1h, mark, 3);
  loop.call_later(2h, mark, 4);
  loop.call_later(-1h, mark, 1);
  loop.call_later(4h, [&] { loop.stop(); });
  loop.run_forever();
  CHECK(seen == std::vector{1, 2, 3, 4, 5});
  CHECK(loop.time() == start + 4h);
}

TEST_CASE("the extremes of a delay neither overflow nor come early") {
  event_loop loop(virtual_time());
  int calls = 0;
  auto never = loop.call_later(std::chrono::hours::max(), [&] { calls += 100; });
  loop.call_later(std::chrono::hours::min(), [&] { ++calls; });
  auto far = loop.call_later(24h * 365, [&] { loop.stop(); });
  loop.run_forever();
  CHECK(calls == 1);
  CHECK(never.pending());
  CHECK_FALSE(far.pending());
}

TEST_CASE("a callback comes at a moment of any clock, in any unit") {
  event_loop loop(virtual_time());
  auto const start = loop.time();
  std::vector<std::chrono::nanoseconds> seen;
  auto const mark = [&] { seen.push_back(loop.time() - start); };
  using std::chrono::system_clock;
  using std::chrono::time_point;
  // The steady clock is the loop's, rounded up.
  loop.call_at(std::chrono::time_point_cast<std::chrono::milliseconds>(start) + 2ms, mark);
  loop.call_at(time_point<std::chrono::steady_clock, std::chrono::duration<double>>(start + 3600s), mark);
  // The others are measured from now, and take no time meanwhile.
  loop.call_at(system_clock::now() + 24h, mark);
  loop.call_at(time_point<system_clock, std::chrono::hours>::max(), mark);
  loop.call_at(system_clock::time_point::min(), mark);
  loop.call_later(48h, [&] { loop.stop(); });
  loop.run_forever();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0] <= 0ns);
  CHECK((seen[1] > 1ms && seen[1] <= 2ms));
  CHECK((seen[2] > 3599s && seen[2] < 3601s));
  CHECK((seen[3] > 23h && seen[3] <= 24h));
}

TEST_CASE("every moment that has passed calls at once, and none that does not come") {
  event_loop loop(virtual_time());
  int calls = 0, wanted = 0;
  support::for_each_past_moment([&](char const*, auto when) {
    loop.call_at(when, [&] { ++calls; });
    ++wanted;
  });
  std::vector<callback_handle> never;
  support::for_each_endless_moment(
      [&](char const*, auto when) { never.push_back(loop.call_at(when, [&] { ++calls; })); });
  loop.call_later(1min, [&] { loop.stop(); });  // the real clock may be a little ahead
  loop.run_forever();
  CHECK(calls == wanted);
  for (auto const& each : never) CHECK(each.pending());
}

TEST_CASE("a real timer does not come early") {
  event_loop loop;
  auto const start = loop.time();
  loop.call_later(2ms, [&] { loop.stop(); });
  loop.run_forever();
  CHECK(loop.time() - start >= 2ms);
}

TEST_CASE("a cancelled call is not made, and its captures end at once") {
  event_loop loop(virtual_time());
  int const before = counted_value::alive();
  int calls = 0;
  auto soon = loop.call_soon([&, held = counted_value()] { ++calls; });
  auto later = loop.call_later(1s, [&, held = counted_value()] { ++calls; });
  CHECK(counted_value::alive() == before + 2);
  CHECK(soon.pending());
  CHECK(soon.cancel());
  CHECK(later.cancel());
  CHECK(counted_value::alive() == before);
  CHECK_FALSE(soon.pending());
  CHECK_FALSE(soon.cancel());
  CHECK_FALSE(callback_handle().cancel());
  loop.call_later(2s, [&] { loop.stop(); });
  loop.run_forever();
  CHECK(calls == 0);
}

TEST_CASE("a call that is due can still be cancelled by one that is due with it") {
  event_loop loop(virtual_time());
  int calls = 0;
  callback_handle second;
  loop.call_later(1s, [&] { CHECK(second.cancel()); });
  second = loop.call_later(1s, [&] { ++calls; });
  loop.call_later(1s, [&] { loop.stop(); });
  loop.run_forever();
  CHECK(calls == 0);
}

TEST_CASE("a call cannot be cancelled by itself, and its handle may end in it") {
  event_loop loop;
  std::optional<callback_handle> mine;
  bool cancelled = true;
  mine = loop.call_soon([&] {
    cancelled = mine->cancel();
    mine.reset();
    loop.stop();
  });
  loop.run_forever();
  CHECK_FALSE(cancelled);
}

TEST_CASE("a handle outlives its loop") {
  callback_handle soon;
  callback_handle later;
  int const before = counted_value::alive();
  int calls = 0;
  {
    event_loop loop;
    soon = loop.call_soon([&, held = counted_value()] { ++calls; });
    later = loop.call_later(1h, [&, held = counted_value()] { ++calls; });
  }
  CHECK(counted_value::alive() == before);
  CHECK_FALSE(soon.pending());
  CHECK_FALSE(soon.cancel());
  CHECK_FALSE(later.cancel());
  CHECK(calls == 0);
}

TEST_CASE("what a callback throws goes to the hook, and the loop goes on") {
  recorded_errors const hook;
  event_loop loop;
  loop.call_soon([] { throw std::runtime_error("first"); });
  loop.call_later(0s, [] { throw std::runtime_error("second"); });
  loop.post([] { throw std::runtime_error("third"); });
  loop.call_later(1ms, [&] { loop.stop(); });
  loop.run_forever();
  auto const errors = recorded_errors::all();
  REQUIRE(errors.size() == 3);
  for (auto const* each : {"first", "second", "third"}) {
    CHECK(std::any_of(errors.begin(), errors.end(), [&](auto const& text) {
      return text == std::string("a callback of event_loop | std::runtime_error: ") + each;
    }));
  }
}

TEST_CASE("stop lets what is ready run, but nothing that this makes ready") {
  event_loop loop;
  std::vector<int> seen;
  loop.call_soon([&] {
    loop.stop();
    loop.call_soon([&] { seen.push_back(3); });
    seen.push_back(1);
  });
  loop.call_soon([&] { seen.push_back(2); });
  loop.run_forever();
  CHECK(seen == std::vector{1, 2});
  run_ready(loop);
  CHECK(seen == std::vector{1, 2, 3});
}

TEST_CASE("a stop from another thread stands behind what that thread has posted") {
  for (int i = 0; i < rounds(2000); ++i) {
    event_loop loop;
    int seen = 0;
    std::thread other([&] {
      loop.post([&] { ++seen; });
      loop.post([&] { ++seen; });
      loop.stop();
      loop.stop();
    });
    loop.run_forever();
    other.join();
    REQUIRE(seen == 2);
  }
}

TEST_CASE("run_until begins on the loop, ends when it is done, and says when it was stopped") {
  event_loop loop;
  int count = 0;
  std::function<void()> const step = [&] {
    ++count;
    loop.call_soon(step);
  };
  CHECK(loop.run_until(
      [&] {
        CHECK(event_loop::current() == &loop);
        CHECK(concur::current_executor() == &loop);
        loop.call_soon(step);
      },
      [&] { return count == 100; }));
  CHECK(event_loop::current() == nullptr);
  CHECK(concur::current_executor() == nullptr);
  CHECK(count == 100);
  CHECK_FALSE(loop.run_until([&] { loop.stop(); }, [] { return false; }));
  CHECK_FALSE(loop.is_running());
  CHECK_THROWS_AS(loop.run_until([] { throw 7; }, [] { return false; }), int);
  CHECK_FALSE(loop.is_running());
  CHECK(loop.run_until([] { return true; }));
}

TEST_CASE("posts of several threads all arrive, in the order of each, with and without signals") {
  for (bool const stormy : {false, true}) {
    support::weather const outside(stormy);
    constexpr int posters = 3;
    int const each = rounds(20'000);
    event_loop loop;
    std::vector<int> next(posters, 0);
    int ended = 0;
    bool ordered = true;
    support::hammer crowd;
    std::atomic<int> number{0};
    crowd.add(posters, [&] {
      int const me = number.fetch_add(1);
      for (int i = 0; i < each; ++i) {
        loop.post([&, me, i] { ordered = ordered && next[std::size_t(me)]++ == i; });
        if (i % 64 == 0) std::this_thread::yield();
      }
      loop.post([&] { ++ended; });
    });
    crowd.add([&] { loop.run_until([&] { return ended == posters; }); });
    crowd.run();
    CHECK(ordered);
    CHECK(next == std::vector<int>(posters, each));
  }
}

TEST_CASE("a thread and a loop hand over to each other") {
  event_loop loop;
  event_loop other;
  int const turns = rounds(20'000);
  int done = 0;
  std::thread thread([&] { other.run_forever(); });
  loop.run_until(
      [&] {
        for (int pair = 0; pair < 2; ++pair) other.post([&] { loop.post([&] { ++done; }); });
      },
      [&] {
        if (done >= turns) return true;
        other.post([&] { loop.post([&] { ++done; }); });
        return false;
      });
  other.stop();
  thread.join();
  CHECK(done >= turns);
}

TEST_CASE("a poster may be late while the loop that it woke is destroyed") {
  for (int i = 0; i < rounds(5000); ++i) {
    auto loop = std::make_unique<event_loop>();
    std::thread poster([&loop = *loop] { loop.post([&] { loop.stop(); }); });
    loop->run_forever();
    loop.reset();
    event_loop another;  // in the same inbox
    another.call_later(1us, [&] { another.stop(); });
    another.run_forever();
    poster.join();
  }
}

TEST_CASE("no work is starved by another kind") {
  event_loop loop;
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  concur::unique_fd const in(ends[0]);
  concur::unique_fd const out(ends[1]);
  std::atomic<bool> posted{false};
  bool by_timer = false;
  bool by_descriptor = false;
  auto const all = [&] { return posted.load() && by_timer && by_descriptor; };
  auto const busy = [&]() -> concur::task<> {
    int const one = 1;
    while (!all()) co_await concur::yield();
    static_cast<void>(one);
    loop.stop();
  };
  auto const waiting = [&]() -> concur::task<> {
    int const fd = in.get();
    co_await concur::wait_readable(fd);
    by_descriptor = true;
  };
  auto f = concur::spawn(loop, busy());
  auto g = concur::spawn(loop, waiting());
  loop.call_later(1ms, [&] {
    by_timer = true;
    CHECK(::write(out.get(), "x", 1) == 1);
  });
  std::thread other([&] { loop.post([&] { posted = true; }); });
  loop.run_forever();
  other.join();
  CHECK(all());
}

TEST_CASE("a loop makes no descriptor as long as none is watched") {
  auto const before = support::open_descriptors();
  event_loop loop;
  loop.call_later(1ms, [&] { loop.stop(); });
  std::thread other([&] { loop.post([] {}); });
  loop.run_forever();
  other.join();
  CHECK(support::open_descriptors() == before);
}

TEST_CASE("another thread may run the loop each time") {
  event_loop loop;
  std::vector<std::thread::id> seen;
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      loop.call_soon([&] { seen.push_back(std::this_thread::get_id()); });
      run_ready(loop);
    }).join();
  }
  CHECK(seen.size() == 3);
}

TEST_CASE("close cancels the tasks, waits for them, and drops what callbacks are left") {
  int const before = counted_value::alive();
  event_loop loop;
  int called = 0;
  bool tidied = false;
  auto const body = [&]() -> concur::task<> {
    counted_value const held;
    try {
      co_await concur::sleep_for(1h);
    } catch (concur::cancelled const&) {
      tidied = true;
      throw;
    }
  };
  auto f = concur::spawn(loop, body());
  run_ready(loop);
  CHECK_FALSE(f.done());
  auto later = loop.call_later(1h, [&, held = counted_value()] { ++called; });
  loop.close();
  CHECK(loop.is_closed());
  CHECK(tidied);
  CHECK(f.done());
  CHECK(called == 0);
  CHECK_FALSE(later.pending());
  CHECK(counted_value::alive() == before);
  loop.close();

  CHECK_THROWS_AS(loop.call_soon([] {}), concur::misuse);
  CHECK_THROWS_AS(loop.call_later(1s, [] {}), concur::misuse);
  CHECK_THROWS_AS(loop.post([] {}), concur::misuse);
  CHECK_THROWS_AS(loop.run_forever(), concur::misuse);
}

TEST_CASE("a stop of a closed loop stops nothing, nor the loop that comes after it") {
  std::optional<event_loop> loop(std::in_place);
  loop->close();
  loop->stop();
  CHECK(loop->is_closed());
  loop.emplace();  // in the same place, and with what the first one has left behind
  int called = 0;
  loop->call_soon([&] { loop->call_soon([&] { ++called; }); });
  CHECK(loop->run_until([&] { return called == 1; }));
}

TEST_CASE("what other threads post and spawn beside close is refused, or over when the loop is closed") {
  static auto const body = [](std::atomic<int>& begun, counted_value) -> concur::task<> {
    ++begun;
    co_await concur::yield();
  };
  int const before = counted_value::alive();
  for (int round = 0; round < rounds(1'000); ++round) {
    std::optional<event_loop> loop(std::in_place);
    std::vector<concur::future<void>> spawned;
    std::atomic<int> begun{0}, called{0}, posted{0};
    support::hammer crowd;
    crowd.add([&] {
      try {
        for (int i = 0; i < 20; ++i) spawned.push_back(concur::spawn(*loop, body(begun, counted_value())));
      } catch (concur::misuse const&) {
      }
    });
    crowd.add([&] {
      try {
        for (int i = 0; i < 20; ++i, ++posted) loop->post([&called, held = counted_value()] { ++called; });
      } catch (concur::misuse const&) {
      }
    });
    crowd.add([&] {
      for (int i = 0; i < 5; ++i) loop->stop();
    });
    crowd.add([&] {
      for (int i = 0; i < round % 50 * 10; ++i) concur::os::spin_pause();
      if (round % 2 == 0) run_ready(*loop);
      loop->close();
    });
    crowd.run();
    int ended_well = 0;
    for (auto& each : spawned) {
      REQUIRE(each.done());
      ended_well += each.error() == nullptr ? 1 : 0;
    }
    REQUIRE(ended_well <= begun);
    REQUIRE(called <= posted);
    REQUIRE(counted_value::alive() == before);
    loop.emplace();
    run_ready(*loop);
    REQUIRE(begun <= int(spawned.size()));
  }
}

TEST_CASE("the destructor closes the loop") {
  int const before = counted_value::alive();
  auto const body = []() -> concur::task<> {
    counted_value const held;
    co_await concur::sleep_for(1h);
  };
  {
    event_loop loop;
    static_cast<void>(concur::spawn(loop, body()));
    static_cast<void>(concur::spawn(loop, body()));
    run_ready(loop);
    CHECK(counted_value::alive() == before + 2);
    loop.call_soon([held = counted_value()] {});
    loop.call_later(1h, [held = counted_value()] {});
  }
  CHECK(counted_value::alive() == before);
}

TEST_CASE("a loop is not run within a run") {
  event_loop loop;
  event_loop other;
  int refused = 0;
  auto const refuses = [&](event_loop& which) {
    try {
      which.run_forever();
    } catch (concur::misuse const&) {
      ++refused;
    }
  };
  loop.call_soon([&] {
    refuses(loop);
    refuses(other);
    try {
      loop.close();
    } catch (concur::misuse const&) {
      ++refused;
    }
    loop.stop();
  });
  loop.run_forever();
  CHECK(refused == 3);
}

TEST_CASE("a loop may be made, filled and destroyed in a callback of another one") {
  event_loop outer;
  bool ended = false;
  auto const body = [&]() -> concur::task<> {
    int const one = 1;
    try {
      co_await concur::sleep_for(1h);
    } catch (concur::cancelled const&) {
      ended = one == 1;
      throw;
    }
  };
  outer.call_soon([&] {
    {
      event_loop inner;
      static_cast<void>(concur::spawn(inner, body()));
    }
    CHECK(event_loop::current() == &outer);
    outer.stop();
  });
  outer.run_forever();
  CHECK_FALSE(ended);  // it never began
}

TEST_CASE("in virtual time the clock stands still while there is work, and jumps when there is none") {
  event_loop loop(virtual_time());
  auto const start = loop.time();
  std::vector<std::chrono::nanoseconds> seen;
  auto const body = [&]() -> concur::task<> {
    auto const mark = [&] { seen.push_back(loop.time() - start); };
    for (int i = 0; i < 1000; ++i) co_await concur::yield();
    mark();
    co_await concur::sleep_for(24h);
    mark();
    co_await concur::sleep_for(1ns);
    mark();
    loop.stop();
  };
  auto f = concur::spawn(loop, body());
  loop.run_forever();
  CHECK(seen == std::vector<std::chrono::nanoseconds>{0ns, 24h, 24h + 1ns});
}

TEST_CASE("in virtual time a run that nothing can end is a deadlock") {
  event_loop loop(virtual_time());
  CHECK_THROWS_AS(loop.run_forever(), concur::deadlock);
  auto const body = []() -> concur::task<> {
    int const one = 1;
    co_await concur::sleep_for(std::chrono::hours::max());
    static_cast<void>(one);
  };
  auto f = concur::spawn(loop, body(), "sleeper");
  std::string sentence;
  try {
    loop.run_until([&] { return f.done(); });
  } catch (concur::deadlock const& error) {
    sentence = error.what();
  }
  CHECK(sentence.find("task \"sleeper\"") != std::string::npos);
  CHECK_FALSE(loop.is_running());
  loop.call_soon([&] { loop.stop(); });
  loop.run_forever();  // it can go on
  CHECK_FALSE(f.done());
}

TEST_CASE("a batch runs in the order that a test asks for, each item once") {
  auto const order_of = [](ready_order order) {
    event_loop loop(event_loop_options().ready_order(order));
    std::vector<int> seen;
    for (int i = 0; i < 20; ++i) loop.call_soon([&seen, i] { seen.push_back(i); });
    run_ready(loop);
    return seen;
  };
  std::vector<int> in_order(20);
  for (int i = 0; i < 20; ++i) in_order[std::size_t(i)] = i;
  CHECK(order_of(ready_order::in_order()) == in_order);
  auto const back = order_of(ready_order::reversed());
  CHECK(std::equal(back.rbegin(), back.rend(), in_order.begin(), in_order.end()));
  auto const shuffled = order_of(ready_order::shuffled(1));
  CHECK(text_of(shuffled) != text_of(in_order));
  CHECK(shuffled == order_of(ready_order::shuffled(1)));
  CHECK(shuffled != order_of(ready_order::shuffled(2)));
  CHECK(std::is_permutation(shuffled.begin(), shuffled.end(), in_order.begin(), in_order.end()));
}

TEST_CASE("a callback that holds the loop for too long is reported, with the loop's name") {
  static std::vector<std::string> reports;
  reports.clear();
  auto const record = [](concur::slow_callback_report const& report) {
    if (report.held > 3ms) reports.emplace_back(report.loop);
  };
  event_loop loop(event_loop_options().name("busy").slow_callback(3ms).on_slow_callback(record));
  loop.call_soon([] {
    auto const until = std::chrono::steady_clock::now() + 4ms;
    while (std::chrono::steady_clock::now() < until) {
    }
  });
  run_ready(loop);
  REQUIRE(!reports.empty());
  CHECK(reports.front() == "busy");

  reports.clear();
  event_loop patient(event_loop_options().slow_callback(24h).on_slow_callback(record));
  patient.call_soon([] {});
  run_ready(patient);
  CHECK(reports.empty());
}

TEST_CASE("a report tells a loop's name, how much it has to do, and whether it runs") {
  std::string running;
  {
    event_loop loop(event_loop_options().name("main"));
    loop.call_later(1h, [] {});
    loop.call_later(2h, [] {});
    CHECK(concur::dump_registry().find("event loop \"main\", 0 ready, 2 timers, does not run") != std::string::npos);
    loop.call_soon([&] {
      running = concur::dump_registry();
      loop.stop();
    });
    loop.run_forever();
    CHECK(running.find("event loop \"main\", 0 ready, 2 timers, runs") != std::string::npos);
    std::thread runner([&] { loop.run_forever(); });
    while (concur::dump_registry().find("2 timers, sleeps") == std::string::npos) std::this_thread::yield();
    loop.stop();
    runner.join();
    loop.close();
    CHECK(concur::dump_registry().find("event loop \"main\", 0 ready, 0 timers, closed") != std::string::npos);
  }
  CHECK(concur::dump_registry().find("event loop \"main\"") == std::string::npos);
}

TEST_CASE("in a forked child the parent's loop is refused, and a new one works") {
  event_loop loop;
  auto const body = []() -> concur::task<> {
    int const one = 1;
    co_await concur::sleep_for(1h);
    static_cast<void>(one);
  };
  auto f = concur::spawn(loop, body());
  loop.call_later(1h, [] {});
  run_ready(loop);
  pid_t const child = ::fork();
  if (child == 0) {
    int refused = 0;
    for (auto const& attempt :
         std::vector<std::function<void()>>{[&] { loop.run_forever(); }, [&] { loop.call_soon([] {}); },
                                            [&] { loop.post([] {}); }, [&] { loop.close(); }}) {
      try {
        attempt();
      } catch (concur::misuse const&) {
        ++refused;
      }
    }
    event_loop own;
    int ran = 0;
    own.call_soon([&] { ++ran; });
    run_ready(own);
    support::end_child(refused == 4 && ran == 1);
  }
  CHECK(support::child_was_right(child));
  loop.close();
  CHECK(f.done());
}

TEST_CASE("a child that was forked in a callback does not go on as the loop, and may destroy it") {
  auto loop = std::make_unique<event_loop>();
  loop->call_later(1h, [] {});
  pid_t child = -1;
  loop->call_soon([&] {
    child = ::fork();
    if (child != 0) loop->stop();
  });
  bool refused = false;
  try {
    loop->run_forever();
  } catch (concur::misuse const&) {
    refused = true;
  }
  if (child == 0) {
    loop.reset();
    support::end_child(refused);
  }
  CHECK_FALSE(refused);
  CHECK(support::child_was_right(child));
}

TEST_CASE("a child that was forked in a task, and sleeps there or sets a limit, does not go on as the loop") {
  static auto const body = [](pid_t& child, bool limited, concur::event& never) -> concur::task<> {
    child = ::fork();
    if (child != 0) co_return;
    ::alarm(60);
    if (limited) {
      co_await concur::timeout(1h, never.async_wait());
    } else {
      co_await concur::sleep_for(1h);
    }
  };
  for (bool const limited : {false, true}) {
    INFO((limited ? "a limit" : "a sleep"));
    concur::event never;
    event_loop loop;
    pid_t child = -1;
    bool refused = false;
    try {
      loop.run(body(child, limited, never));
    } catch (concur::misuse const&) {
      refused = true;
    }
    if (child == 0) support::end_child(refused);
    CHECK_FALSE(refused);
    CHECK(support::child_was_right(child));
  }
}

TEST_CASE("several threads stop a loop at the same time, again and again") {
  event_loop loop;
  std::atomic<int> left{3};
  std::vector<std::thread> all;
  for (int i = 0; i < 3; ++i) {
    all.emplace_back([&loop, &left] {
      for (int k = 0; k < support::rounds(2'000); ++k) loop.stop();
      --left;
      loop.stop();
    });
  }
  while (left > 0) loop.run_forever();
  for (auto& each : all) each.join();
  CHECK_FALSE(loop.is_running());
}

TEST_CASE("memory that runs out at any step is an exception, and nothing is left") {
  int const before = counted_value::alive();
  auto const each = [&](auto operation) {
    for (int k = 1;; ++k) {
      int calls = 0;
      bool refused = false;
      bool happened = false;
      {
        event_loop loop(virtual_time());
        {
          support::failing_new const shortage(k);
          try {
            operation(loop, calls);
          } catch (std::bad_alloc const&) {
            refused = true;
          }
          happened = shortage.happened();
        }
        loop.call_later(1h, [&] { loop.stop(); });
        loop.run_forever();
      }
      CHECK(calls == (refused ? 0 : 1));
      CHECK(counted_value::alive() == before);
      if (!happened) break;
    }
  };
  each([](event_loop& loop, int& calls) { loop.call_soon([&, held = counted_value()] { ++calls; }); });
  each([](event_loop& loop, int& calls) { loop.call_later(1s, [&, held = counted_value()] { ++calls; }); });
  each([](event_loop& loop, int& calls) { loop.post([&, held = counted_value()] { ++calls; }); });
  each([](event_loop&, int& calls) {
    event_loop another(event_loop_options().name(std::string(100, 'x')));
    ++calls;
  });
}

TEST_CASE("a loop that polls busily finds what is ready, due or posted, and sleeps when nothing is") {
  event_loop loop(event_loop_options().busy_poll(50us));
  concur::unique_fd const event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int read = 0;
  int due = 0;
  auto const reads = [&]() -> concur::task<> {
    for (;;) {
      co_await concur::wait_readable(event.get());
      eventfd_t count = 0;
      read += ::eventfd_read(event.get(), &count) == 0 ? int(count) : 0;
    }
  };
  auto reader = loop.spawn(reads());
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      ::eventfd_write(event.get(), 1);
      if (i % 100 == 0) loop.post([&] { loop.call_later(30us, [&] { ++due; }); });
    }
  });
  loop.run_until([&] { return read == 1000 && due == 10; });
  other.join();

  timespec begin{};
  timespec end{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  loop.call_later(300ms, [&] { loop.stop(); });
  loop.run_forever();
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  CHECK(std::chrono::seconds(end.tv_sec - begin.tv_sec) + std::chrono::nanoseconds(end.tv_nsec - begin.tv_nsec) <
        100ms);
}
