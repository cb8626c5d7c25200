// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/sleep.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/limits.hpp"
#include "coro_support.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::sleep_for;
using concur::sleep_until;
using concur::spawn;
using concur::task;
using support::hand_loop;

static_assert(!std::is_copy_constructible_v<concur::sleep_awaiter>);
static_assert(sizeof(concur::sleep_awaiter) == 16);

task<> note_after(std::chrono::nanoseconds length, std::string& log, char what) {
  char const letter = what;
  co_await sleep_for(length);
  log.push_back(letter);
}

}  // namespace

TEST_CASE("sleep: tasks wake in the order of their deadlines, those of one deadline in the order they slept",
          "[sleep][in_order]") {
  hand_loop here;
  std::string log;
  std::vector<concur::future<void>> all;
  all.push_back(spawn(here, note_after(3s, log, 'd')));
  all.push_back(spawn(here, note_after(1s, log, 'a')));
  all.push_back(spawn(here, note_after(2s, log, 'b')));
  all.push_back(spawn(here, note_after(2s, log, 'c')));
  here.run_all();
  CHECK(here.sleepers() == 4);
  here.advance(1s - 1ns);
  here.run_all();
  CHECK(log.empty());
  here.advance(1ns);
  here.run_all();
  CHECK(log == "a");
  here.advance(1s);
  here.run_all();
  CHECK(log == "abc");
  here.advance(10h);
  here.run_all();
  CHECK(log == "abcd");
  CHECK(here.sleepers() == 0);
}

namespace {

template <class Length>
task<> sleep_so_long(Length length) {
  Length const copy = length;
  co_await sleep_for(copy);
}
template <class Moment>
task<> sleep_until_then(Moment when) {
  Moment const copy = when;
  co_await sleep_until(copy);
}

// Whether the task went on without the time of its executor.
template <class T>
bool ends_at_once(task<T> body) {
  hand_loop here;
  auto f = spawn(here, std::move(body));
  here.run_all();
  bool const done = f.done();
  if (!done) {
    CHECK(here.sleepers() == 1);
    f.cancel();
    here.run_all();
    CHECK(f.done());
    CHECK(here.sleepers() == 0);
  }
  return done;
}

}  // namespace

TEST_CASE("sleep: every length and every moment", "[sleep]") {
  support::for_each_spent_duration([](char const* what, auto length) {
    INFO(what);
    CHECK(ends_at_once(sleep_so_long(length)));
  });
  support::for_each_short_duration([](char const* what, auto length) {
    INFO(what);
    hand_loop here;
    auto f = spawn(here, sleep_so_long(length));
    here.run_all();
    here.advance(10ms);
    here.run_all();
    CHECK(f.done());
  });
  support::for_each_endless_duration([](char const* what, auto length) {
    INFO(what);
    CHECK_FALSE(ends_at_once(sleep_so_long(length)));
  });
  support::for_each_past_moment([](char const* what, auto when) {
    INFO(what);
    CHECK(ends_at_once(sleep_until_then(when)));
  });
  CHECK_FALSE(ends_at_once(sleep_until_then(std::chrono::steady_clock::time_point::max())));
  CHECK_FALSE(ends_at_once(sleep_until_then(std::chrono::system_clock::time_point::max())));
  CHECK_FALSE(ends_at_once(sleep_until_then(std::chrono::system_clock::now() + 1h)));
}

TEST_CASE("sleep: a moment of the steady clock is one of the executor's time", "[sleep]") {
  hand_loop here;
  auto f = spawn(here, sleep_until_then(here.now() + 5s));
  here.advance(5s - 1ns);
  here.run_all();
  CHECK_FALSE(f.done());
  here.advance(1ns);
  here.run_all();
  CHECK(f.done());
}

TEST_CASE("sleep: a length of zero goes behind what is ready, and a cancel does not strike it there",
          "[sleep][in_order]") {
  static auto const steps = [](std::string& log, char what) -> task<> {
    for (int i = 0; i < 3; ++i) {
      log.push_back(what);
      co_await sleep_for(0s);
    }
  };
  hand_loop here;
  std::string log;
  auto a = spawn(here, steps(log, 'a'));
  auto b = spawn(here, steps(log, 'b'));
  here.run_one();
  here.run_one();
  CHECK(log == "ab");
  CHECK(a.cancel());
  here.run_all();
  CHECK(log == "ababb");  // the next one is refused
  CHECK_THROWS_AS(a.get(), concur::cancelled);
  b.get();
}

TEST_CASE("sleep: in a task that is cancelled it is refused", "[sleep]") {
  static auto const stubborn = [](int& refused) -> task<> {
    for (int i = 0; i < 5; ++i) {
      try {
        if (i % 2 == 0) {
          co_await sleep_for(1h);
        } else {
          co_await sleep_for(0s);
        }
      } catch (concur::cancelled const&) {
        ++refused;
      }
    }
  };
  hand_loop here;
  int refused = 0;
  auto f = spawn(here, stubborn(refused));
  here.run_all();
  f.cancel();
  here.run_all();
  CHECK(refused == 5);
  f.get();
}

TEST_CASE("sleep: a timer that cannot be had is an error of the await", "[sleep]") {
  if (!support::failing_new::available()) return;
  hand_loop here;
  auto f = spawn(here, sleep_so_long(1h));
  {
    support::failing_new const shortage(1);
    here.run_all();
    CHECK(shortage.happened());
  }
  REQUIRE(f.done());
  CHECK_THROWS_AS(f.get(), std::bad_alloc);
  CHECK(here.sleepers() == 0);
}

namespace {

task<> sleep_briefly(std::atomic<int>& woken, int times) {
  for (int i = 0; i < times; ++i) co_await sleep_for(std::chrono::microseconds(i % 3 * 50));
  woken.fetch_add(1);
}

}  // namespace

TEST_CASE("sleep: many sleep on several threads, and some are cancelled beside their wake", "[sleep]") {
  support::threads_executor pool(2);
  std::atomic<int> woken{0};
  int const tasks = support::rounds(300);
  std::vector<concur::future<void>> all;
  for (int i = 0; i < tasks; ++i) all.push_back(spawn(pool, sleep_briefly(woken, 20)));
  int refused = 0;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    if (i % 8 == 0) concur::os::yield();
    all[i].cancel();
  }
  for (auto& f : all) {
    try {
      f.get();
    } catch (concur::cancelled const&) {
      ++refused;
    }
  }
  CHECK(woken.load() + refused == tasks);
  CHECK(woken.load() >= tasks / 2);
}
