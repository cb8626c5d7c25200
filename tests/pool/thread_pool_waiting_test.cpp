// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "pool_support.hpp"

#include <concur/future/as_completed.hpp>
#include <concur/future/gather.hpp>
#include <concur/future/wait.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/thread/this_thread.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::thread_pool;
using support::held_workers;
using support::numbered_error;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;
using support::throws;

int sum(int a, int const& b) { return a + b; }

}  // namespace

// ---- waiting inside the pool

namespace {

struct way_to_wait {
  char const* name;
  int (*value)(future<int>);
};

constexpr way_to_wait ways_to_wait[] = {
    {"get", [](future<int> f) { return f.get(); }},
    {"get, stop",
     [](future<int> f) {
       concur::os::stop_source const never;
       return f.get(never.get_token()).value();
     }},
    {"wait",
     [](future<int> f) {
       f.wait();
       return f.get();
     }},
    {"wait, stop",
     [](future<int> f) {
       concur::os::stop_source const never;
       return f.wait(never.get_token()) ? f.get() : -1;
     }},
    {"wait_for", [](future<int> f) { return f.wait_for(1h) ? f.get() : -1; }},
    {"wait_until", [](future<int> f) { return f.wait_until(std::chrono::system_clock::now() + 1h) ? f.get() : -1; }},
    {"error", [](future<int> f) { return f.error() == nullptr ? f.get() : -1; }},
    {"share", [](future<int> f) { return std::move(f).share().get(); }},
    {"then", [](future<int> f) { return std::move(f).then([](int n) { return n; }).get(); }},
    {"then, twice",
     [](future<int> f) {
       return std::move(f).then([](int n) { return n + 1; }).then([](int n) { return n - 1; }).get();
     }},
    {"gather", [](future<int> f) { return std::get<0>(concur::gather(std::move(f)).get()); }},
    {"gather, collect_outcomes",
     [](future<int> f) { return std::get<0>(concur::gather(concur::collect_outcomes, std::move(f)).get()).value(); }},
    {"wait for several",
     [](future<int> f) {
       std::vector<future<int>> one;
       one.push_back(std::move(f));
       return concur::wait(one, concur::first_completed).get().done.at(0)->get();
     }},
    {"as_completed",
     [](future<int> f) {
       std::array<future<int>, 1> one{std::move(f)};
       int got = -1;
       for (auto& each : concur::as_completed(one)) got = each.get();
       return got;
     }},
};

int depth_by(thread_pool& pool, way_to_wait const& way, int left) {
  if (left == 0) return 0;
  return 1 + way.value(pool.submit(depth_by, std::ref(pool), std::cref(way), left - 1));
}

}  // namespace

TEST_CASE("thread_pool_waiting: jobs that wait for jobs that wait for jobs need only one worker",
          "[thread_pool_waiting]") {
  for (auto const& way : ways_to_wait) {
    INFO(way.name);
    thread_pool pool(1);
    REQUIRE(pool.submit(depth_by, std::ref(pool), std::cref(way), 100).get() == 100);
  }
}

TEST_CASE("thread_pool_waiting: a job waits for several, each of which waits for several", "[thread_pool_waiting]") {
  for (std::size_t const workers : {1u, 2u, 3u}) {
    thread_pool pool(workers);
    std::function<int(int)> const tree = [&](int depth) -> int {
      if (depth == 0) return 1;
      std::vector<future<int>> parts;
      for (int i = 0; i < 3; ++i) parts.push_back(pool.submit(std::ref(tree), depth - 1));
      if (depth % 3 == 0) {
        int total = 0;
        for (int const each : concur::gather(std::move(parts)).get()) total += each;
        return total;
      }
      int total = 0;
      if (depth % 3 == 1) {
        for (auto& each : concur::as_completed(parts)) total += each.get();
      } else {
        for (auto& each : parts) total += each.get();
      }
      return total;
    };
    CHECK(pool.submit(std::ref(tree), 6).get() == 729);
  }
}

TEST_CASE("thread_pool_waiting: a waiting job runs what it waits for in place, and no other job",
          "[thread_pool_waiting]") {
  for (auto const& way : ways_to_wait) {
    INFO(way.name);
    thread_pool pool(1);
    concur::mutex m;
    bool other_ran = false, early = true, same_thread = false;
    pool.submit([&] {
          std::lock_guard const held(m);
          auto const here = concur::this_thread::native_id();
          auto awaited = pool.submit([&, here] {
            same_thread = here == concur::this_thread::native_id();
            return 5;
          });
          // The newest, which a worker would take next; it needs what this one holds.
          pool.post([&] {
            std::lock_guard const mine(m);
            other_ran = true;
          });
          early = way.value(std::move(awaited)) != 5 || other_ran;
        })
        .get();
    pool.wait_idle();
    CHECK(same_thread);
    CHECK_FALSE(early);
    CHECK(other_ran);
  }
}

TEST_CASE("thread_pool_waiting: a job that waits for one that runs elsewhere sleeps, and runs nothing",
          "[thread_pool_waiting]") {
  for (auto const& way : ways_to_wait) {
    INFO(way.name);
    thread_pool pool(2);
    event begun, gate, waits;
    std::atomic<int> others{0};
    int got = 0, early = -1;
    auto f = pool.submit([&] {
      begun.set();
      gate.wait();
      return 6;
    });
    begun.wait();
    auto g = pool.submit([&] {
      pool.post([&others] { ++others; });
      waits.set();
      got = way.value(std::move(f));
      early = others;
    });
    waits.wait();
    for (int i = 0; i < 200; ++i) std::this_thread::yield();  // likely asleep by then; right in any case
    gate.set();
    g.get();
    pool.wait_idle();
    CHECK(got == 6);
    // The other worker, which had ended its job, may have come to it before.
    CHECK((early == 0 || early == 1));
    CHECK(others == 1);
  }
}

TEST_CASE("thread_pool_waiting: a look at a future without waiting runs nothing in place", "[thread_pool_waiting]") {
  thread_pool pool(1);
  bool const looked =
      pool.submit([&] {
            auto const f = pool.submit(sum, 1, 2);
            return !f.done() && !f.wait_for(0s) && !f.wait_until(std::chrono::system_clock::time_point());
          })
          .get();
  CHECK(looked);
}

TEST_CASE("thread_pool_waiting: who waits outside, or in a job of another pool, runs nothing in place",
          "[thread_pool_waiting]") {
  thread_pool first(1), second(1);
  auto const place = [] { return concur::this_thread::native_id(); };
  int const worker = first.submit(place).get();
  CHECK(worker != place());
  CHECK(first.submit(place).get() == worker);
  CHECK(second.submit([&] { return first.submit(place).get(); }).get() == worker);
}

TEST_CASE("thread_pool_waiting: a job that was run in place or cancelled is not run again when its turn comes",
          "[thread_pool_waiting]") {
  thread_pool pool(1);
  std::atomic<int> ran{0};
  pool.submit([&] {
        for (int i = 0; i < 100; ++i) {
          auto f = pool.submit([&ran] { ++ran; });
          if (i % 3 == 0) f.get();
          if (i % 3 == 1) f.cancel();
        }
      })
      .get();
  pool.wait_idle();
  CHECK(ran == 67);
  CHECK(pool.stats().done == 101);
}

TEST_CASE("thread_pool_waiting: an error passes through jobs that wait for each other", "[thread_pool_waiting]") {
  thread_pool pool(1);
  std::function<int(int)> const fall = [&](int left) -> int {
    if (left == 0) throw numbered_error{9};
    return pool.submit(std::ref(fall), left - 1).get();
  };
  CHECK(support::number_of(pool.submit(std::ref(fall), 50).error()) == 9);
}

// ---- wait_idle

namespace {

test_task<> await_idle(thread_pool& pool, int& passed) {
  int const one = 1;
  co_await pool.async_wait_idle();
  passed += one;
}

void idle_in_task(thread_pool& pool) {
  queue_executor here;
  int passed = 0;
  auto const root = spawn(here, await_idle(pool, passed));
  here.run_until([&] { return root->done(); });
  REQUIRE(passed == 1);
}

struct way_to_idle {
  char const* name;
  void (*wait)(thread_pool&);
};

constexpr way_to_idle ways_to_idle[] = {
    {"wait_idle", [](thread_pool& pool) { pool.wait_idle(); }},
    {"wait_idle_for", [](thread_pool& pool) { REQUIRE(pool.wait_idle_for(1h)); }},
    {"wait_idle_until",
     [](thread_pool& pool) { REQUIRE(pool.wait_idle_until(std::chrono::system_clock::now() + 1h)); }},
    {"wait_idle, stop",
     [](thread_pool& pool) {
       concur::os::stop_source const never;
       REQUIRE(pool.wait_idle(never.get_token()));
     }},
    {"async_wait_idle", &idle_in_task},
};

}  // namespace

TEST_CASE("thread_pool_waiting: every form of wait_idle waits for all jobs, and for those that they give",
          "[thread_pool_waiting]") {
  for (auto const& way : ways_to_idle) {
    INFO(way.name);
    for (std::size_t const workers : {1u, 2u}) {
      thread_pool pool(workers);
      way.wait(pool);  // nothing has come yet
      int const times = rounds(300);
      for (int round = 0; round < times; ++round) {
        int const count = round % 7;
        std::vector<int> ran(std::size_t(2 * count));
        for (int i = 0; i < count; ++i) {
          pool.post([&pool, &one = ran[std::size_t(2 * i)], &two = ran[std::size_t(2 * i + 1)]] {
            pool.post([&two] { ++two; });
            ++one;
          });
        }
        way.wait(pool);
        REQUIRE(std::ranges::count(ran, 1) == 2 * count);
      }
    }
  }
}

TEST_CASE("thread_pool_waiting: wait_idle with limits of every kind", "[thread_pool_waiting]") {
  thread_pool pool(1);
  auto const try_for = [&pool](auto const& length) { return pool.wait_idle_for(length); };
  auto const try_until = [&pool](auto const& moment) { return pool.wait_idle_until(moment); };
  std::optional<held_workers> held;
  held.emplace(pool, 1);
  support::check_limits_in_vain(try_for, try_until);
  held.reset();
  pool.wait_idle();
  support::check_limits_at_once(try_for, try_until, [] {});
  support::check_limits_in_time(try_for, try_until, [&] { held.emplace(pool, 1); }, [&] { held->release(); });
}

TEST_CASE("thread_pool_waiting: a wait_idle ends with a stop or a cancel", "[thread_pool_waiting]") {
  thread_pool pool(1);
  held_workers held(pool, 1);
  auto const wait = [&pool](concur::os::stop_token const& stop) { return pool.wait_idle(stop); };
  support::check_stop_in_vain(wait);

  queue_executor here;
  int passed = 0;
  auto const root = spawn(here, await_idle(pool, passed));
  here.run_all();
  root->cancel();
  here.run_until([&] { return root->done(); });
  CHECK(root->was_cancelled());
  CHECK(passed == 0);
  held.release();
  pool.wait_idle();
  support::check_stop_too_late(wait);
}

TEST_CASE("thread_pool_waiting: many wait for the same idle moment", "[thread_pool_waiting]") {
  thread_pool pool(2);
  for (int round = 0; round < rounds(200); ++round) {
    std::atomic<int> ran{0}, seen{0};
    support::hammer crowd;
    for (int i = 0; i < 20; ++i) pool.post([&ran] { ++ran; });
    crowd.add(3, [&] {
      pool.wait_idle();
      seen += ran == 20;
    });
    crowd.run();
    REQUIRE(seen == 3);
  }
}

TEST_CASE("thread_pool_waiting: a job that waits for its pool to be idle is misuse", "[thread_pool_waiting]") {
  thread_pool pool(1);
  thread_pool other(1);
  auto const misused = [&] {
    concur::os::stop_source const never;
    return throws<concur::misuse>([&] { pool.wait_idle(); }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.wait_idle_for(0s)); }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.wait_idle_until(std::chrono::steady_clock::now())); }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.wait_idle(never.get_token())); }) &&
           throws<concur::misuse>([&] { static_cast<void>(pool.async_wait_idle()); });
  };
  CHECK(pool.submit(misused).get());
  CHECK(pool.submit([&] {
              other.wait_idle();
              return other.wait_idle_for(0s);
            })
            .get());
}
