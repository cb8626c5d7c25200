// SPDX-License-Identifier: BSL-1.0
//
// Tasks that go to and fro between an event loop and a thread pool, and are cancelled from anywhere.
#include <concur/loop/run.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <concur/core/hop.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/wait.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/readiness.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <span>
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
using concur::future;
using concur::sleep_for;
using concur::spawn;
using concur::task;
using concur::thread_pool;
using concur::yield;
using support::counted_value;

// Much of it is a matter of luck, under sanitizers as well.
constexpr int rounds = 200;

void pause(int length) {
  for (; length > 0; --length) concur::os::spin_pause();
}

/// Runs the loop until the futures are done, wherever their tasks run.
template <class T>
task<> settled(future<T>* all, std::size_t count) {
  std::span const each(all, count);
  co_await concur::wait(each);
}
template <class T>
void finish(event_loop& loop, future<T>* all, std::size_t count) {
  auto const last = loop.spawn(settled(all, count));
  REQUIRE(loop.run_until([&last] { return last.done(); }));
}
template <class T>
void finish(event_loop& loop, future<T>& f) {
  finish(loop, &f, 1);
}
template <class T>
void finish(event_loop& loop, std::vector<future<T>>& all) {
  finish(loop, all.data(), all.size());
}

enum class end { whole, refused, other };
template <class T>
end end_of(future<T>& f) {
  try {
    static_cast<void>(f.get());
  } catch (cancelled const&) {
    return end::refused;
  } catch (...) {
    return end::other;
  }
  return end::whole;
}

bool on(event_loop& loop) { return event_loop::current() == &loop; }

/// There and back, and a child that goes the other way; gives what was not where it should be.
task<int> there_and_back(event_loop& loop, thread_pool& pool, bool from_loop, counted_value) {
  static auto const child = [](event_loop& l, thread_pool& p, bool to_loop) -> task<int> {
    int wrong = 0;
    if (to_loop) {
      co_await l.schedule();
    } else {
      co_await p.schedule();
    }
    wrong += on(l) == to_loop ? 0 : 1;
    co_return wrong;
  };
  int wrong = on(loop) == from_loop ? 0 : 1;
  for (int i = 0; i < 3; ++i) {
    co_await pool.schedule();
    wrong += on(loop) ? 1 : 0;
    wrong += co_await child(loop, pool, true);
    wrong += on(loop) ? 1 : 0;
    co_await sleep_for(10us);
    wrong += on(loop) ? 1 : 0;
    co_await loop.schedule();
    wrong += on(loop) ? 0 : 1;
    wrong += co_await child(loop, pool, false);
    wrong += on(loop) ? 0 : 1;
    co_await sleep_for(10us);
    wrong += on(loop) ? 0 : 1;
  }
  co_return wrong;
}

/// Waits in all kinds of ways on both sides; ends only by a cancel.
task<> wanders(event_loop& loop, thread_pool& pool, concur::semaphore& tokens, int fd, counted_value) {
  for (;;) {
    co_await loop.schedule();
    co_await sleep_for(5us);
    tokens.release();
    co_await pool.schedule();
    co_await tokens.async_acquire();
    co_await sleep_for(5us);
    co_await loop.schedule();
    co_await concur::wait_writable(fd);
    co_await yield();
  }
}

task<> yield_once() { co_await yield(); }

struct pipe_ends {
  pipe_ends() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    in = ends[0];
    out = ends[1];
  }
  ~pipe_ends() {
    ::close(in);
    ::close(out);
  }
  pipe_ends(pipe_ends const&) = delete;
  pipe_ends& operator=(pipe_ends const&) = delete;

  int in;
  int out;
};

}  // namespace

TEST_CASE("hops: a task goes from the loop to the pool and back, and the other way round") {
  int const before = counted_value::alive();
  event_loop loop;
  {
    thread_pool pool(2);
    for (int i = 0; i < rounds; ++i) {
      auto f = loop.spawn(there_and_back(loop, pool, true, counted_value()));
      auto g = spawn(pool, there_and_back(loop, pool, false, counted_value()));
      finish(loop, f);
      finish(loop, g);
      REQUIRE(f.get() == 0);
      REQUIRE(g.get() == 0);
    }
  }
  CHECK(counted_value::alive() == before);
  CHECK(loop.tasks().empty());
}

TEST_CASE("hops: what run runs may go away, and comes back to end") {
  static auto const goes = [](thread_pool& pool, bool fails) -> task<std::thread::id> {
    co_await pool.schedule();
    auto const there = std::this_thread::get_id();
    if (fails) throw std::runtime_error("away");
    co_return there;
  };
  thread_pool pool(1);
  for (int i = 0; i < rounds; ++i) {
    REQUIRE(concur::run(goes(pool, false)) != std::this_thread::get_id());
    REQUIRE_THROWS_AS(concur::run(goes(pool, true)), std::runtime_error);
  }
}

TEST_CASE("hops: a run ends the tasks that are away, wherever they wait") {
  static auto const leaves = [](event_loop& loop, thread_pool& pool, concur::semaphore& tokens, int fd,
                                int turns) -> task<> {
    for (int i = 0; i < 3; ++i) static_cast<void>(spawn(wanders(loop, pool, tokens, fd, counted_value())));
    for (int i = 0; i < turns; ++i) co_await yield();
  };
  int const before = counted_value::alive();
  thread_pool pool(2);
  pipe_ends const channel;
  for (int i = 0; i < rounds; ++i) {
    event_loop loop;
    concur::semaphore tokens(0);
    for (int again = 0; again < 2; ++again) {
      loop.run(leaves(loop, pool, tokens, channel.out, i % 40));
      REQUIRE(counted_value::alive() == before);
      REQUIRE(loop.tasks().empty());
    }
  }
}

TEST_CASE("hops: a future is cancelled from a foreign thread beside every hop") {
  bool const from_loop = GENERATE(true, false);
  int const before = counted_value::alive();
  event_loop loop;
  thread_pool pool(2);
  pipe_ends const channel;
  for (int i = 0; i < rounds; ++i) {
    concur::semaphore tokens(0);
    auto f = from_loop ? loop.spawn(wanders(loop, pool, tokens, channel.out, counted_value()))
                       : spawn(pool, wanders(loop, pool, tokens, channel.out, counted_value()));
    std::thread other([&f, i] {
      pause(i * 37 % 4000);
      f.cancel();
    });
    finish(loop, f);
    other.join();
    REQUIRE(end_of(f) == end::refused);
    // A future that was cancelled before its task began is done at once, and the task has yet to go.
    while (counted_value::alive() != before) loop.run(yield_once());
  }
  CHECK(counted_value::alive() == before);
}

TEST_CASE("hops: the first hop of a loop, beside a foreign thread's cancel") {
  static auto const hops = [](thread_pool& pool, concur::event& never) -> task<> {
    co_await yield();
    co_await pool.schedule();
    co_await never.async_wait();
  };
  thread_pool pool(1);
  for (int i = 0; i < rounds; ++i) {
    event_loop loop;  // its scope has not been shared yet
    concur::event never;
    auto f = loop.spawn(hops(pool, never));
    std::thread other([&f, i] {
      pause(i * 13 % 2000);
      f.cancel();
    });
    finish(loop, f);
    other.join();
    REQUIRE(end_of(f) == end::refused);
  }
}

TEST_CASE("hops: a cancel_scope is cancelled by foreign threads, at once and after a time") {
  static auto const scoped = [](concur::cancel_scope& scope, event_loop& loop, thread_pool& pool,
                                concur::semaphore& tokens, int fd, bool& here) -> task<bool> {
    bool const from_loop = on(loop);
    bool const whole = co_await scope.run(wanders(loop, pool, tokens, fd, counted_value()));
    here = on(loop) == from_loop;
    co_await yield();  // only the scope was cancelled
    co_return whole;
  };
  bool const from_loop = GENERATE(true, false);
  int const before = counted_value::alive();
  event_loop loop;
  thread_pool pool(2);
  pipe_ends const channel;
  for (int i = 0; i < rounds; ++i) {
    concur::semaphore tokens(0);
    concur::cancel_scope scope;
    bool here = false;
    auto f = from_loop ? loop.spawn(scoped(scope, loop, pool, tokens, channel.out, here))
                       : spawn(pool, scoped(scope, loop, pool, tokens, channel.out, here));
    std::thread other([&scope, i] {
      pause(i * 37 % 4000);
      if (i % 3 == 0) scope.cancel_after(1h);
      if (i % 2 == 0) scope.cancel();
      scope.cancel_after(std::chrono::microseconds(i % 7 * 10));
    });
    finish(loop, f);
    other.join();
    REQUIRE_FALSE(f.get());
    REQUIRE(here);
    REQUIRE(scope.cancel_called());
    REQUIRE(counted_value::alive() == before);
  }
}

TEST_CASE("hops: a scope on the loop alone is cancelled by foreign threads") {
  static auto const scoped = [](concur::cancel_scope& scope, concur::event& never) -> task<bool> {
    static auto const waits = [](concur::event& e) -> task<> { co_await e.async_wait(); };
    bool const whole = co_await scope.run(waits(never));
    co_return whole;
  };
  event_loop loop;
  concur::event never;
  for (int i = 0; i < rounds; ++i) {
    concur::cancel_scope scope;
    std::thread other([&scope, i] {
      pause(i * 17 % 2000);
      if (i % 2 == 0) {
        scope.cancel();
      } else {
        scope.cancel_after(std::chrono::microseconds(i % 5 * 20));
      }
    });
    CHECK_FALSE(loop.run(scoped(scope, never)));
    other.join();
  }
  CHECK_FALSE(loop.tasks().shared());
}

TEST_CASE("hops: a task of a pool that sleeps on the loop is woken, or cancelled by any thread") {
  static auto const sleeps = [](event_loop& loop, std::chrono::nanoseconds length, std::atomic<int>& there) -> task<> {
    co_await loop.schedule();
    there.fetch_add(1);
    co_await sleep_for(length);
  };
  // Timers of the loop's own keep its thread busy with the same heap.
  static auto const naps = [](std::atomic<bool>& over) -> task<> {
    while (!over.load()) co_await sleep_for(1us);
  };
  thread_pool pool(2);
  int refused = 0;
  for (int i = 0; i < rounds; ++i) {
    event_loop loop;  // new each time: nobody has shared its timers yet
    std::atomic<bool> over{false};
    auto own = loop.spawn(naps(over));
    std::atomic<int> there{0};
    std::vector<future<void>> all;
    bool const beside_the_wake = i % 2 == 0;
    auto const length = beside_the_wake ? std::chrono::nanoseconds(i % 20 * 2us) : std::chrono::nanoseconds(1h);
    for (int k = 0; k < 3; ++k) all.push_back(spawn(pool, sleeps(loop, length, there)));
    std::thread other([&] {
      while (there.load() < 3) std::this_thread::yield();
      pause(i * 7 % 500);
      for (auto& each : all) each.cancel();
    });
    finish(loop, all);
    other.join();
    for (auto& each : all) {
      end const how = end_of(each);
      REQUIRE(how != end::other);
      refused += how == end::refused ? 1 : 0;
      REQUIRE((beside_the_wake || how == end::refused));
    }
    over.store(true);
    finish(loop, own);
    own.get();
  }
  CHECK(refused >= rounds / 2 * 3);
}

TEST_CASE("hops: a pool that goes before the loop waits for the tasks that are away from it") {
  static auto const goes = [](event_loop& loop, std::atomic<int>& ended) -> task<> {
    co_await loop.schedule();
    co_await sleep_for(20us);
    ended.fetch_add(1);
  };
  for (int i = 0; i < rounds; ++i) {
    event_loop loop;
    std::atomic<int> ended{0};
    std::atomic<bool> gone{false};
    std::thread owner([&] {
      {
        thread_pool pool(1);
        for (int k = 0; k < 3; ++k) static_cast<void>(spawn(pool, goes(loop, ended)));
      }
      gone.store(true);
      loop.post([] {});
    });
    REQUIRE(loop.run_until([&] { return gone.load(); }));
    owner.join();
    REQUIRE(ended == 3);
  }
}

TEST_CASE("hops: a loop that is closed waits for its tasks on the pool") {
  static auto const goes = [](thread_pool& pool, concur::event& never, std::atomic<int>& there,
                              counted_value) -> task<> {
    co_await pool.schedule();
    there.fetch_add(1);
    co_await never.async_wait();
  };
  int const before = counted_value::alive();
  thread_pool pool(2);
  concur::event never;
  for (int i = 0; i < rounds; ++i) {
    std::atomic<int> there{0};
    std::vector<future<void>> all;
    {
      event_loop loop;
      for (int k = 0; k < 3; ++k) all.push_back(loop.spawn(goes(pool, never, there, counted_value())));
      for (int k = 0; k < i % 3; ++k) {
        loop.stop();
        loop.run_forever();
      }
      pause(i * 11 % 1000);
    }
    for (auto& each : all) REQUIRE(end_of(each) == end::refused);
    REQUIRE(counted_value::alive() == before);
  }
}

TEST_CASE("hops: many tasks of both sides, and some are cancelled from everywhere") {
  int const before = counted_value::alive();
  event_loop loop;
  thread_pool pool(2);
  int const count = support::rounds(300);
  std::vector<future<int>> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(i % 2 == 0 ? loop.spawn(there_and_back(loop, pool, true, counted_value()))
                             : spawn(pool, there_and_back(loop, pool, false, counted_value())));
  }
  std::thread other([&] {
    for (std::size_t i = 0; i < all.size(); i += 3) all[i].cancel();
  });
  loop.call_later(100us, [&] {
    for (std::size_t i = 1; i < all.size(); i += 5) all[i].cancel();
  });
  finish(loop, all);
  other.join();
  int wrong = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    try {
      wrong += all[i].get();
    } catch (cancelled const&) {
      wrong += i % 3 == 0 || i % 5 == 1 ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
  loop.close();
  pool.shutdown();
  CHECK(counted_value::alive() == before);
}
