// SPDX-License-Identifier: BSL-1.0
//
// A task that yields while nothing else is ready goes on without a round of the loop. Nobody must notice.
#include <concur/loop/event_loop.hpp>

#include "../support/catch.hpp"

#include <concur/core/unique_fd.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/readiness.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <sys/eventfd.h>
#include <thread>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::spawn;
using concur::task;
using concur::yield;

// A loop that measures its callbacks gives each step a round of its own.
concur::event_loop_options unwatched() { return concur::event_loop_options().slow_callback(0ns); }

task<> yield_until(bool const& over) {
  while (!over) co_await yield();
}

task<> count_for_ever(long& steps) {
  for (;; ++steps) co_await yield();
}

}  // namespace

TEST_CASE("a task that yields alone lets what it spawns or posts run before its next step", "[in_order]") {
  event_loop loop(unwatched());
  std::string log;
  auto const child = [&]() -> task<> {
    log.push_back('b');
    co_await yield();
    log.push_back('d');
  };
  auto const all = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await yield();
    log.push_back('a');
    auto other = spawn(child());
    co_await yield();
    log.push_back('c');
    loop.post([&] { log.push_back('e'); });
    co_await yield();
    log.push_back('f');
    co_await other;
  };
  loop.run(all());
  CHECK(log == "abcdef");
}

TEST_CASE("a task that yields alone does not keep other threads, timers and descriptors waiting") {
  event_loop loop(unwatched());
  SECTION("a post") {
    bool over = false;
    std::thread other([&] { loop.post([&] { over = true; }); });
    loop.run(yield_until(over));
    other.join();
  }
  SECTION("a call that is due") {
    bool over = false;
    loop.call_later(1ms, [&] { over = true; });
    loop.run(yield_until(over));
  }
  SECTION("a task that sleeps") {
    bool over = false;
    auto sleeper = loop.spawn([&over]() -> task<> {
      co_await concur::sleep_for(1ms);
      over = true;
    });
    loop.run(yield_until(over));
  }
  SECTION("a descriptor") {
    bool over = false;
    concur::unique_fd const event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    auto reader = loop.spawn([&]() -> task<> {
      co_await concur::wait_readable(event.get());
      over = true;
    });
    std::thread other([&] { ::eventfd_write(event.get(), 1); });
    loop.run(yield_until(over));
    other.join();
  }
  SECTION("an interrupt") {
    long steps = 0;
    auto const body = [&]() -> task<> {
      // The loop takes the signal from its second round on.
      for (struct sigaction now{}; now.sa_handler == SIG_DFL; ::sigaction(SIGINT, nullptr, &now)) co_await yield();
      ::raise(SIGINT);
      co_await count_for_ever(steps);
    };
    auto* const before = std::signal(SIGINT, SIG_DFL);  // Catch2's
    CHECK_THROWS_AS(loop.run(body()), concur::cancelled);
    std::signal(SIGINT, before);
  }
}

TEST_CASE("a stop in a task that yields alone is its last step") {
  event_loop loop(unwatched());
  long steps = 0;
  auto f = loop.spawn([&]() -> task<> {
    for (;;) {
      if (++steps % 100 == 0) loop.stop();
      co_await yield();
    }
  });
  for (int i = 1; i <= 3; ++i) {
    loop.run_forever();
    CHECK(steps == 100 * i);
  }
}

TEST_CASE("who runs a loop until something has happened is asked after each step of a task that yields alone") {
  event_loop loop(unwatched());
  long steps = 0;
  auto f = loop.spawn(count_for_ever(steps));
  for (long wanted : {1L, 2L, 50L, 51L}) {
    CHECK(loop.run_until([&] { return steps >= wanted; }));
    CHECK(steps == wanted);
  }
}

TEST_CASE("a run ends with its task, though another one yields all the time") {
  event_loop loop(unwatched());
  long steps = 0;
  auto const body = [&]() -> task<> {
    static_cast<void>(spawn(count_for_ever(steps)));
    co_await yield();
  };
  for (int i = 0; i < 10; ++i) loop.run(body());
  CHECK(steps > 0);
}
