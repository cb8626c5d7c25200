// SPDX-License-Identifier: BSL-1.0
//
// The forms of shutdown that wait: with a limit, with a stop, and awaited.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/awaited_contract.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "pool_support.hpp"

#include <concur/core/errors.hpp>
#include <concur/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::thread_pool;
using support::awaited_contract;
using support::held_workers;
using support::is_cancelled;
using support::nothing_left_behind;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;
using support::throws;

test_task<> await_end(thread_pool& pool, bool cancel_pending, int& passed) {
  int const one = 1;
  co_await pool.async_shutdown(cancel_pending);
  passed += one;
}

bool end_in_task(thread_pool& pool, bool cancel_pending) {
  queue_executor here;
  int passed = 0;
  auto const root = spawn(here, await_end(pool, cancel_pending, passed));
  here.run_until([&] { return root->done(); });
  return passed == 1;
}

struct way_to_end {
  char const* name;
  bool (*end)(thread_pool&, bool cancel_pending);
};

constexpr way_to_end ways_to_end[] = {
    {"shutdown",
     [](thread_pool& pool, bool cancel_pending) {
       pool.shutdown(true, cancel_pending);
       return true;
     }},
    {"try_shutdown_for",
     [](thread_pool& pool, bool cancel_pending) { return pool.try_shutdown_for(1h, cancel_pending); }},
    {"try_shutdown_until",
     [](thread_pool& pool, bool cancel_pending) {
       return pool.try_shutdown_until(std::chrono::system_clock::now() + 1h, cancel_pending);
     }},
    {"shutdown, stop",
     [](thread_pool& pool, bool cancel_pending) {
       concur::os::stop_source const never;
       return pool.shutdown(never.get_token(), cancel_pending);
     }},
    {"async_shutdown", &end_in_task},
};

bool refuses(thread_pool& pool) {
  return throws<concur::closed>([&] { pool.post([] {}); });
}

// Counts the threads that have ended with it.
struct counted_end {
  ~counted_end() { ++count; }
  static inline std::atomic<int> count{0};
};

}  // namespace

TEST_CASE("thread_pool_end: every form waits for what was accepted, and for the workers", "[thread_pool_end]") {
  for (auto const& way : ways_to_end) {
    INFO(way.name);
    for (int const workers : {1, 2}) {
      nothing_left_behind const balance;
      thread_pool pool{std::size_t(workers)};
      counted_end::count = 0;
      std::atomic<int> ran{0};
      {
        held_workers const held(pool, workers);
        for (int i = 0; i < 100; ++i) {
          pool.post([&] {
            thread_local counted_end mine;
            static_cast<void>(&mine);
            pool.post([&ran] { ++ran; });
            ++ran;
          });
        }
      }
      CHECK(way.end(pool, false));
      CHECK(ran == 200);
      CHECK(counted_end::count >= 1);
      CHECK(refuses(pool));
      // As often as wanted.
      for (auto const& again : ways_to_end) CHECK(again.end(pool, false));
      // The pool itself is in the registry still.
      CHECK(concur::thread_count() == 1);
    }
  }
}

TEST_CASE("thread_pool_end: every form may cancel what is pending", "[thread_pool_end]") {
  for (auto const& way : ways_to_end) {
    INFO(way.name);
    thread_pool pool(1);
    std::atomic<int> ran{0};
    event begun, gate;
    std::vector<future<void>> futures;
    pool.post([&] {
      begun.set();
      gate.wait();
    });
    begun.wait();
    for (int i = 0; i < 50; ++i) futures.push_back(pool.submit([&ran] { ++ran; }));
    futures.back().on_done([&](concur::outcome<void> const&) { gate.set(); });
    CHECK(way.end(pool, true));
    CHECK(ran == 0);
    for (auto const& each : futures) CHECK(is_cancelled(each.error()));
  }
}

TEST_CASE("thread_pool_end: limits of every kind", "[thread_pool_end]") {
  std::optional<thread_pool> pool(std::in_place, 1u);
  std::optional<held_workers> held;
  auto const try_for = [&](auto const& length) { return pool->try_shutdown_for(length); };
  auto const try_until = [&](auto const& moment) { return pool->try_shutdown_until(moment); };
  held.emplace(*pool, 1);
  support::check_limits_in_vain(try_for, try_until);
  CHECK(refuses(*pool));
  held.reset();
  pool->shutdown();
  support::check_limits_at_once(try_for, try_until, [] {});
  auto const renew = [&] {
    held.reset();
    pool.emplace(1u);
    held.emplace(*pool, 1);
  };
  support::check_limits_in_time(try_for, try_until, renew, [&] { held->release(); });
  held.reset();
}

TEST_CASE("thread_pool_end: a stop ends the wait, and the shutdown stands", "[thread_pool_end]") {
  thread_pool pool(1);
  held_workers held(pool, 1);
  auto const shut_down = [&pool](concur::os::stop_token const& stop) { return pool.shutdown(stop); };
  support::check_stop_in_vain(shut_down);
  CHECK(refuses(pool));
  held.release();
  pool.shutdown();
  support::check_stop_too_late(shut_down);
}

// Before, while it waits, between wake and resume, and after.
TEST_CASE("thread_pool_end: a cancel ends a task's wait, and the shutdown stands if it had begun",
          "[thread_pool_end]") {
  using moment_type = awaited_contract::cancel_moment;
  awaited_contract::at_every_cancel([](moment_type const& moment) {
    queue_executor here;
    thread_pool pool(2);
    held_workers held(pool, 2);
    moment.strike(
        here, [&pool] { return pool.async_shutdown(); },
        [&] {
          CHECK(refuses(pool) != (moment == moment_type::before));
          held.release();
          if (moment == moment_type::woken) pool.shutdown();  // so it has been woken
        });
    CHECK(pool.try_shutdown_for(1h));
  });
}

TEST_CASE("thread_pool_end: a cancel between the decision to wait and the wait", "[thread_pool_end]") {
  thread_pool pool(1);
  held_workers const held(pool, 1);
  awaited_contract::cancelled_before_it_is_in_the_list([&pool] { return pool.async_shutdown(); });
  CHECK(refuses(pool));
}

TEST_CASE("thread_pool_end: a foreign coroutine waits on the executor of its thread", "[thread_pool_end]") {
  thread_pool pool(3);
  held_workers held(pool, 3);
  awaited_contract::a_foreign_coroutine_waits([&pool] { return pool.async_shutdown(); }, [&held] { held.release(); });
}

TEST_CASE("thread_pool_end: in a job of the pool every form is misuse, and changes nothing", "[thread_pool_end]") {
  thread_pool pool(1);
  thread_pool other(1);
  auto const misused = [&] {
    concur::os::stop_source const never;
    return throws<concur::misuse>([&] { static_cast<void>(pool.try_shutdown_for(0s)); }) && throws<concur::misuse>([&] {
             static_cast<void>(pool.try_shutdown_until(std::chrono::steady_clock::now()));
           }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.shutdown(never.get_token(), true)); }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.async_shutdown()); });
  };
  CHECK(pool.submit(misused).get());
  CHECK(pool.submit([] { return 1; }).get() == 1);
  CHECK(pool.submit([&] { return other.try_shutdown_for(1h); }).get());
}

TEST_CASE("thread_pool_end: several wait in every manner, beside jobs and cancels, many times", "[thread_pool_end]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(200); ++round) {
    std::atomic<int> ran{0};
    int accepted = 0, first_passed = 0, second_passed = 0, missed = 0;
    {
      support::threads_executor tasks(1);
      thread_pool pool(2);
      auto const first = spawn(tasks, await_end(pool, false, first_passed));
      auto const second = spawn(tasks, await_end(pool, false, second_passed));
      support::hammer crowd;
      crowd.add([&] {
        for (int i = 0; i < 100 && !throws<concur::closed>([&] { pool.post([&ran] { ++ran; }); }); ++i) ++accepted;
      });
      crowd.add([&] {
        while (!pool.try_shutdown_for(std::chrono::microseconds(round % 50))) ++missed;
      });
      crowd.add([&] { second->cancel(); });
      crowd.run();
      first->wait_until_done();
      second->wait_until_done();
      REQUIRE(ran == accepted);
      REQUIRE(first_passed == 1);
      REQUIRE(second_passed == (second->was_cancelled() ? 0 : 1));
    }
  }
  CHECK(balance.holds());
}
