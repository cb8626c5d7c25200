// SPDX-License-Identifier: BSL-1.0
//
// How a pool ends: shutdown in its forms, the destructor, and a job that destroys its own pool.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "pool_support.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::outcome;
using concur::job_priority;
using concur::thread_pool;
using support::counted_value;
using support::held_workers;
using support::is_cancelled;
using support::nothing_left_behind;
using support::rounds;
using support::throws;
using stop_token = concur::os::stop_token;

// Whether the pool refuses everything, and keeps nothing of it.
bool refuses_all(thread_pool& pool) {
  std::atomic<int> ran{0};
  auto const job = [&ran, mine = counted_value(1)](counted_value const&) { ++ran; };
  int const alive = counted_value::alive();
  auto const refused = [&](auto attempt) { return throws<concur::closed>(attempt) && counted_value::alive() == alive; };
  bool all = refused([&] { static_cast<void>(pool.submit(job, counted_value(2))); });
  all = refused([&] { pool.post(job, counted_value(2)); }) && all;
  for (auto const each : {job_priority::high, job_priority::normal, job_priority::low}) {
    all = refused([&] { static_cast<void>(pool.submit(each, job, counted_value(2))); }) && all;
    all = refused([&] { pool.post(each, job, counted_value(2)); }) && all;
    all = refused([&] { static_cast<void>(pool.submit_many(each, job, std::vector<counted_value>(3))); }) && all;
  }
  auto const stoppable = [&](stop_token const&) { ++ran; };
  all = refused([&] { static_cast<void>(pool.submit(stoppable)); }) && all;
  all = refused([&] { static_cast<void>(pool.submit_many(job, std::vector<counted_value>(3))); }) && all;
  return all && ran == 0;
}

bool takes_all(thread_pool& pool, std::atomic<int>& ran) {
  auto const job = [&ran](int n) { ran += n; };
  pool.post(job, 1);
  static_cast<void>(pool.submit(job, 1));
  pool.post(job_priority::low, job, 1);
  static_cast<void>(pool.submit(job_priority::high, job, 1));
  static_cast<void>(pool.submit_many(job, std::vector{1, 1}));
  return true;
}
constexpr int taken_by_takes_all = 6;

}  // namespace

TEST_CASE("thread_pool_shutdown: after it everything from outside is refused, and nothing of it is left",
          "[thread_pool_shutdown]") {
  for (bool const wait : {true, false}) {
    for (bool const cancel_pending : {true, false}) {
      thread_pool pool(2);
      CHECK(pool.submit([] { return 1; }).get() == 1);
      pool.shutdown(wait, cancel_pending);
      CHECK(refuses_all(pool));
      pool.shutdown();
      CHECK(refuses_all(pool));
      pool.wait_idle();
      CHECK(counted_value::alive() == 0);
    }
  }
}

TEST_CASE("thread_pool_shutdown: what was accepted before it runs, and it waits for that", "[thread_pool_shutdown]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    std::atomic<int> ran{0};
    held_workers held(pool, int(workers));
    for (int i = 0; i < 500; ++i) {
      pool.post([&ran] { ++ran; });
      pool.post(job_priority::low, [&ran] { ++ran; });
      static_cast<void>(pool.submit(job_priority::high, [&ran] { ++ran; }));
    }
    pool.shutdown(false);
    CHECK(ran == 0);
    held.release();
    pool.shutdown();
    CHECK(ran == 1'500);
    CHECK(pool.stats().done == 1'500 + workers);
  }
}

TEST_CASE("thread_pool_shutdown: jobs may give further jobs while it drains", "[thread_pool_shutdown]") {
  for (std::size_t const workers : {1u, 2u}) {
    std::atomic<int> ran{0};
    bool taken = false;
    {
      thread_pool pool(workers);
      held_workers held(pool, int(workers));
      pool.post([&] {
        taken = takes_all(pool, ran);
        pool.post([&] {
          takes_all(pool, ran);
          pool.submit([&ran] { ++ran; }).get();
        });
      });
      pool.shutdown(false);
      CHECK(refuses_all(pool));
    }
    CHECK(taken);
    CHECK(ran == 2 * taken_by_takes_all + 1);
  }
}

TEST_CASE("thread_pool_shutdown: cancel_pending cancels what has not begun, before it returns",
          "[thread_pool_shutdown]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    std::atomic<int> ran{0}, called_back{0};
    {
      held_workers const held(pool, int(workers));
      std::vector<future<int>> futures;
      for (int i = 0; i < 300; ++i) {
        for (auto const each : {job_priority::high, job_priority::normal, job_priority::low}) {
          auto const job = [&ran, mine = counted_value(1)](int n) {
            ++ran;
            return n;
          };
          futures.push_back(pool.submit(each, job, i));
          futures.back().on_done([&](outcome<int> const& how) { called_back += is_cancelled(how.error()) ? 1 : 0; });
          pool.post(each, job, i);
          static_cast<void>(pool.submit(each, job, i));
        }
      }
      pool.shutdown(false, true);
      int done = 0;
      for (auto const& each : futures) done += each.done() && is_cancelled(each.error()) ? 1 : 0;
      CHECK(done == 900);
      CHECK(called_back == 900);
      CHECK(counted_value::alive() == 0);
    }
    pool.shutdown();
    CHECK(ran == 0);
    CHECK(pool.stats().done == 2'700 + workers);
    CHECK(pool.stats().queued == 0);
  }
}

TEST_CASE("thread_pool_shutdown: cancel_pending reaches what lies in a worker's own deque", "[thread_pool_shutdown]") {
  thread_pool pool(2);
  held_workers const other(pool, 1);
  std::atomic<int> ran{0};
  std::vector<future<void>> futures;
  event given, gate;
  auto giving = pool.submit([&] {
    // More than there is room for.
    for (int i = 0; i < 1'500; ++i) futures.push_back(pool.submit([&ran, mine = counted_value(1)] { ++ran; }));
    given.set();
    gate.wait();
    return 5;
  });
  given.wait();
  pool.shutdown(false, true);
  int done = 0;
  for (auto const& each : futures) done += each.done() && is_cancelled(each.error()) ? 1 : 0;
  CHECK(done == 1'500);
  CHECK(counted_value::alive() == 0);
  CHECK_FALSE(giving.done());
  gate.set();
  CHECK(giving.get() == 5);
  CHECK(ran == 0);
}

TEST_CASE("thread_pool_shutdown: cancel_pending leaves alone what has begun", "[thread_pool_shutdown]") {
  thread_pool pool(1);
  event begun, gate;
  bool asked = true;
  auto f = pool.submit([&](stop_token const& stop) {
    begun.set();
    gate.wait();
    asked = stop.stop_requested();
    return 4;
  });
  begun.wait();
  pool.shutdown(false, true);
  gate.set();
  CHECK(f.get() == 4);
  CHECK_FALSE(asked);
}

TEST_CASE("thread_pool_shutdown: cancel_pending leaves alone what was begun in place, by a job that waits for it",
          "[thread_pool_shutdown]") {
  thread_pool pool(1);
  event begun, gate;
  bool asked = true;
  auto f = pool.submit([&] {
    return pool
        .submit([&](stop_token const& stop) {
          begun.set();
          gate.wait();
          asked = stop.stop_requested();
          return 4;
        })
        .get();
  });
  begun.wait();
  pool.shutdown(false, true);
  gate.set();
  CHECK(f.get() == 4);
  CHECK_FALSE(asked);
}

TEST_CASE("thread_pool_shutdown: after cancel_pending jobs can give no more jobs", "[thread_pool_shutdown]") {
  thread_pool pool(1);
  event begun, gate;
  auto f = pool.submit([&] {
    begun.set();
    gate.wait();
    return refuses_all(pool);
  });
  begun.wait();
  pool.shutdown(false, true);
  gate.set();
  CHECK(f.get());
}

TEST_CASE("thread_pool_shutdown: first without, then with cancel_pending", "[thread_pool_shutdown]") {
  thread_pool pool(1);
  held_workers held(pool, 1);
  std::atomic<int> ran{0};
  auto f = pool.submit([&ran] { ++ran; });
  pool.shutdown(false);
  CHECK_FALSE(f.done());
  pool.shutdown(false, true);
  CHECK(f.done());
  pool.shutdown(false);
  held.release();
  pool.shutdown();
  CHECK(ran == 0);
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("thread_pool_shutdown: by several threads at once, beside jobs and submits", "[thread_pool_shutdown]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(400); ++round) {
    std::atomic<int> accepted{0}, ran{0}, cancelled{0};
    {
      thread_pool pool(2);
      support::hammer crowd;
      crowd.add(2, [&] { pool.shutdown(true, round % 2 == 0); });
      crowd.add(2, [&] {
        std::vector<future<void>> futures;
        try {
          for (int i = 0; i < 200; ++i) {
            futures.push_back(pool.submit([&ran, mine = counted_value(1)] { ++ran; }));
            ++accepted;
          }
        } catch (concur::closed const&) {
        }
        for (auto const& each : futures) cancelled += is_cancelled(each.error()) ? 1 : 0;
      });
      crowd.run();
    }
    REQUIRE(ran + cancelled == accepted);
    REQUIRE((round % 2 == 0 || cancelled == 0));
    REQUIRE(counted_value::alive() == 0);
  }
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_shutdown: a job that waits for its own pool to end is misuse, one that only closes it is not",
          "[thread_pool_shutdown]") {
  thread_pool pool(1);
  thread_pool other(1);
  CHECK(pool.submit([&] { return throws<concur::misuse>([&] { pool.shutdown(); }); }).get());
  CHECK(pool.submit([&] { return throws<concur::misuse>([&] { pool.shutdown(true, true); }); }).get());
  CHECK(pool.submit([] { return 1; }).get() == 1);  // it was not closed
  CHECK(pool.submit([&] {
              other.shutdown();
              return throws<concur::closed>([&] { other.post([] {}); });
            })
            .get());
  pool.submit([&pool] { pool.shutdown(false); }).get();
  CHECK(refuses_all(pool));
}

TEST_CASE("thread_pool_shutdown: a job that cancels what is pending", "[thread_pool_shutdown]") {
  thread_pool pool(1);
  std::atomic<int> ran{0};
  std::vector<future<void>> futures;
  future<bool> f;
  {
    held_workers const held(pool, 1);
    f = pool.submit([&] {
      futures.push_back(pool.submit([&ran] { ++ran; }));  // in its own deque
      pool.shutdown(false, true);
      return std::ranges::all_of(futures, [](auto const& each) { return each.done(); });
    });
    for (int i = 0; i < 100; ++i) futures.push_back(pool.submit([&ran] { ++ran; }));
  }
  CHECK(f.get());
  CHECK(ran == 0);
}

// ---- the destructor

TEST_CASE("thread_pool_shutdown: the destructor runs what is queued, and what that gives", "[thread_pool_shutdown]") {
  nothing_left_behind const balance;
  for (std::size_t const workers : {1u, 2u}) {
    std::atomic<int> ran{0};
    std::vector<future<void>> futures;
    std::function<void(int)> tree;
    {
      thread_pool pool(workers);
      tree = [&](int depth) {
        ++ran;
        for (int i = 0; i < 2 && depth != 0; ++i) pool.post(tree, depth - 1);
      };
      for (int i = 0; i < 100; ++i) futures.push_back(pool.submit(tree, 4));
      pool.post(job_priority::low, [&ran] { ++ran; });
    }
    CHECK(ran == 3'101);
    CHECK(std::ranges::all_of(futures, [](auto const& each) { return each.done(); }));
  }
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_shutdown: futures may outlive their pool", "[thread_pool_shutdown]") {
  future<int> f, g;
  {
    thread_pool pool(1);
    f = pool.submit([] { return 1; });
    held_workers const held(pool, 1);
    g = pool.submit([](stop_token const&, counted_value const& n) { return n.value(); }, counted_value(3));
    pool.shutdown(false, true);
  }
  CHECK(f.get() == 1);
  CHECK_FALSE(g.cancel());
  CHECK_THROWS_AS(g.get(), concur::cancelled);
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("thread_pool_shutdown: a job that destroys its pool goes on, the queued ones run, and then all is gone",
          "[thread_pool_shutdown]") {
  nothing_left_behind const balance;
  for (int const workers : {1, 2, 3}) {
    for (int round = 0; round < rounds(100); ++round) {
      std::atomic<int> ran{0}, goes_on{0};
      auto pool = std::make_unique<thread_pool>(std::size_t(workers));
      auto& same = *pool;
      event ready;
      // The others may be busy for longer than the job.
      event gate;
      for (int i = 1; i < workers; ++i) {
        same.post([&] {
          gate.wait();
          ++ran;
        });
      }
      auto f = same.submit([&] {
        ready.wait();
        for (int i = 0; i < 10; ++i) same.post([&ran, mine = counted_value(1)] { ++ran; });
        pool.reset();
        ++goes_on;
      });
      for (int i = 0; i < 50; ++i) same.post([&ran, mine = counted_value(1)] { ++ran; });
      ready.set();
      f.get();
      REQUIRE(goes_on == 1);
      REQUIRE(pool == nullptr);
      gate.set();
      REQUIRE(support::soon([&] { return ran == 59 + workers; }));
      REQUIRE(support::soon([&] { return counted_value::alive() == 0; }));
    }
  }
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_shutdown: a pool that goes with the last job that holds it", "[thread_pool_shutdown]") {
  nothing_left_behind const balance;
  std::atomic<int> ran{0};
  int const times = rounds(300);
  for (int round = 0; round < times; ++round) {
    auto pool = std::make_shared<thread_pool>(round % 3 + 1);
    auto& same = *pool;
    same.post([pool, &ran] { ++ran; });
    static_cast<void>(same.submit([pool, &ran] { ++ran; }));
    for (int pause = round % 64; pause > 0; --pause) concur::os::spin_pause();
    pool.reset();
  }
  CHECK(support::soon([&] { return ran == 2 * times; }));
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_shutdown: a callback of a future that destroys the pool", "[thread_pool_shutdown]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(100); ++round) {
    auto pool = std::make_unique<thread_pool>(2);
    event gone;
    {
      held_workers held(*pool, 2);
      auto f = pool->submit([] { return 1; });
      f.on_done([&](outcome<int> const&) {
        pool.reset();
        gone.set();
      });
    }
    gone.wait();
  }
  CHECK(balance.holds());
}
