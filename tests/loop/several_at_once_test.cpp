// SPDX-License-Identifier: BSL-1.0
//
// Tasks of a loop that wait for futures without taking them, for several of them, for many elements, and for a pool:
// with limits, in virtual time.
#include <concur/loop/run.hpp>

#include "../support/catch.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/future/as_completed.hpp>
#include <concur/future/wait.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/queue/queue.hpp>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::event_loop_options;
using concur::future;
using concur::move_on_after;
using concur::queue;
using concur::sleep_for;
using concur::spawn;
using concur::task;

event_loop_options virtual_time() { return event_loop_options().virtual_time(); }

concur::time_point now() { return event_loop::current()->time(); }

task<int> number_after(std::chrono::nanoseconds length, int number) {
  co_await sleep_for(length);
  co_return number;
}

}  // namespace

TEST_CASE("several at once: a wait for a future with a limit leaves the future alone") {
  static auto const waits = []() -> task<int> {
    auto f = spawn(number_after(2h, 5));
    bool const early = co_await move_on_after(1h, f.async_wait());
    bool const later = co_await move_on_after(90min, f.async_wait());
    co_return !early && later ? co_await f : -1;
  };
  event_loop loop(virtual_time());
  CHECK(loop.run(waits()) == 5);
}

TEST_CASE("several at once: moments are in the time of the loop") {
  static auto const waits = []() -> task<bool> {
    std::vector<future<int>> all;
    all.push_back(spawn(number_after(1h, 1)));
    all.push_back(spawn(number_after(3h, 2)));
    auto const begin = now();
    auto const found = co_await concur::wait(all, concur::all_completed, begin + 2h);
    bool right = found.done.size() == 1 && now() == begin + 2h;
    // Of another clock it is asked how far away it is.
    auto const none = co_await concur::wait(all, concur::all_completed, std::chrono::system_clock::now() - 1h);
    right = right && none.done.size() == 1 && now() == begin + 2h;
    auto const rest = co_await concur::wait(all, concur::all_completed, std::chrono::system_clock::now() + 8h);
    co_return right&& rest.pending.empty() && now() == begin + 3h;
  };
  event_loop loop(virtual_time());
  CHECK(loop.run(waits()));
}

TEST_CASE("several at once: a limit for all that are completed") {
  static auto const waits = [](std::vector<int>& seen) -> task<bool> {
    bool ended = false;
    std::vector<future<int>> all;
    for (int const hours : {3, 1, 2}) all.push_back(spawn(number_after(hours * 1h, hours)));
    auto const begin = now();
    auto c = concur::as_completed(all, begin + 150min);
    try {
      while (auto* f = co_await c.next()) seen.push_back(f->get());
    } catch (concur::timed_out const&) {
      ended = now() == begin + 150min;
    }
    auto rest = concur::as_completed(all);
    co_return ended;
  };
  std::vector<int> seen;
  event_loop loop(virtual_time());
  CHECK(loop.run(waits(seen)));
  CHECK(seen == std::vector{1, 2});
}

TEST_CASE("several at once: many elements at a time, between tasks") {
  static auto const produces = [](queue<int>& q) -> task<std::size_t> {
    std::vector<int> numbers;
    for (int i = 0; i < 1'000; ++i) numbers.push_back(i);
    std::size_t const put = co_await q.async_put_many(numbers);
    q.close();
    co_return put;
  };
  static auto const consumes = [](queue<int>& q) -> task<std::vector<int>> {
    std::vector<int> all;
    try {
      for (;;) {
        auto const some = co_await q.async_get_many(7);
        all.insert(all.end(), some.begin(), some.end());
      }
    } catch (concur::closed const&) {
    }
    co_return all;
  };
  static auto const both = [](queue<int>& q) -> task<bool> {
    auto const [put, got] = co_await concur::gather(produces(q), consumes(q));
    bool right = put == 1'000 && got.size() == 1'000;
    for (std::size_t i = 0; i < got.size(); ++i) right = right && got[i] == int(i);
    co_return right;
  };
  queue<int> q(16);
  CHECK(concur::run(both(q)));
}

TEST_CASE("several at once: a limit for many elements tells how many went in") {
  static auto const waits = [](queue<int>& q) -> task<std::vector<std::size_t>> {
    std::vector<int> const numbers{1, 2, 3};
    // Some went in: the await has succeeded, and says so.
    auto const some = co_await move_on_after(1h, q.async_put_many(numbers));
    auto const none = co_await move_on_after(1h, q.async_put_many(numbers));
    auto const got = co_await q.async_get_many(9);
    auto const nothing = co_await move_on_after(1h, q.async_get_many(9));
    co_return std::vector<std::size_t>{some.value_or(99), none.has_value() ? 1u : 0u, got.size(),
                                       nothing.has_value() ? 1u : 0u};
  };
  queue<int> q(2);
  event_loop loop(virtual_time());
  CHECK(loop.run(waits(q)) == std::vector<std::size_t>{2, 0, 2, 0});
}

TEST_CASE("several at once: a loop shuts a pool down and goes on meanwhile") {
  static auto const ends = [](concur::thread_pool& pool, concur::event& gate) -> task<bool> {
    pool.post([&gate] { gate.wait(); });
    bool const early = co_await move_on_after(1ms, pool.async_shutdown());
    auto last = spawn([](concur::event& opened) -> task<> {
      co_await sleep_for(1ms);
      opened.set();
    }(gate));
    co_await pool.async_shutdown();
    co_return !early && last.done();
  };
  concur::thread_pool pool(2);
  concur::event gate;
  CHECK(concur::run(ends(pool, gate)));
  CHECK(pool.try_shutdown_for(0s));
}
