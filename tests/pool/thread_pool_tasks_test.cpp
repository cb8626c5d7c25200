// SPDX-License-Identifier: BSL-1.0
//
// Coroutines on a pool: spawned there, moving there and away, cancelled there, and how long the pool lives for them.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "pool_support.hpp"

#include <concur/core/hop.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/queue/queue.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::task;
using concur::thread_pool;
using support::counted_value;
using support::held_workers;
using support::is_cancelled;
using support::rounds;
using support::throws;

/// Runs its items on the thread that asks for it, as an event loop does; its tasks belong to that thread.
class loop_like final : public concur::executor {
 public:
  void post(concur::work& item) noexcept override { queue_.push(item); }
  void arm(concur::work& item, concur::time_point when) override { queue_.arm(item, when); }
  bool disarm(concur::work& item) noexcept override { return queue_.disarm(item); }
  concur::cancellation& tasks() noexcept override { return tasks_; }
  bool is_elsewhere() const noexcept override { return std::this_thread::get_id() != owner_; }

  template <class Done>
  void run_until(Done done) {
    concur::executor_scope const here(*this);
    for (;;) {
      auto const heard = queue_.bell();
      concur::time_point next;
      if (done()) return;
      if (auto* const item = queue_.pop(next)) {
        item->run();
      } else {
        queue_.wait_for_ring_after(heard, next);
      }
    }
  }

  void wake() noexcept { queue_.wake_sleepers(); }

  /// Until a future that is completed elsewhere is done.
  template <class T>
  void run_until_done(future<T>& f) {
    f.on_done([this](auto const&) { wake(); });
    run_until([&f] { return f.done(); });
  }

  /// Runs what is left: cancels that came too late.
  ~loop_like() {
    concur::time_point next;
    while (auto* const item = queue_.pop(next)) item->run();
  }

 private:
  std::thread::id const owner_ = std::this_thread::get_id();
  support::work_queue queue_;
  concur::cancellation tasks_{concur::cancellation::sharing::one_thread};
};

template <class T>
bool ended_cancelled(future<T>& f) {
  f.wait();
  return is_cancelled(f.error());
}

task<int> number(int n) { co_return n; }

task<int> number_later(int n) {
  int const value = n;
  co_await concur::yield();
  co_return value;
}

task<int> sum_of(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await number_later(i);
  co_return sum;
}

task<> waits(event& told, std::atomic<int>& done) {
  int const one = 1;
  co_await told.async_wait();
  done += one;
}

task<bool> on_worker_of(thread_pool& pool) {
  bool here = pool.is_worker();
  co_await concur::yield();
  here = here && pool.is_worker() && concur::current_executor() == &pool.get_executor();
  co_return here;
}

}  // namespace

// ---- spawned

TEST_CASE("thread_pool_tasks: every form of spawn takes a pool", "[thread_pool_tasks]") {
  thread_pool pool(2);
  auto plain = concur::spawn(pool, number(1));
  auto named = concur::spawn(pool, sum_of(4), "sum");
  auto called = concur::spawn(pool, [] { return number_later(2); });
  int captured = 3;
  auto with_arguments = concur::spawn(
      pool,
      [&captured](int factor, std::string text) -> task<std::string> {
        int const value = factor * captured;
        co_await concur::yield();
        co_return text + std::to_string(value);
      },
      4, "twelve: ");
  auto on_executor = concur::spawn(pool.get_executor(), on_worker_of(pool));
  CHECK(plain.get() == 1);
  CHECK(named.get() == 6);
  CHECK(called.get() == 2);
  CHECK(with_arguments.get() == "twelve: 12");
  CHECK(on_executor.get());
  // Inside a task of the pool, and inside a job, that is where a spawn without an executor goes.
  auto nested = concur::spawn(pool, [&pool]() -> task<bool> {
    auto inner = concur::spawn(on_worker_of(pool));
    bool const there = co_await inner;
    co_return there;
  });
  CHECK(nested.get());
  CHECK(pool.submit([&pool] { return concur::spawn(on_worker_of(pool)); }).get().get());
}

TEST_CASE("thread_pool_tasks: tasks run on several workers at the same time", "[thread_pool_tasks]") {
  thread_pool pool(2);
  concur::latch both(2);
  auto const meets = [&both]() -> task<> {
    int const here = 1;
    both.arrive_and_wait(here);  // blocks its worker until the other is there
    co_return;
  };
  auto a = concur::spawn(pool, meets);
  auto b = concur::spawn(pool, meets);
  a.get();
  b.get();
}

namespace {

task<int> tree(thread_pool& pool, int depth) {
  int const below = depth - 1;
  if (below < 0) co_return 1;
  auto left = concur::spawn(pool, tree(pool, below));
  auto right = concur::spawn(pool, tree(pool, below));
  int const a = co_await left;
  int const b = co_await right;
  co_return a + b;
}

}  // namespace

TEST_CASE("thread_pool_tasks: tasks that spawn tasks and wait for them", "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u, 3u}) {
    thread_pool pool(workers);
    CHECK(concur::spawn(pool, tree(pool, support::slow_build ? 8 : 11)).get() == (support::slow_build ? 256 : 2048));
  }
}

TEST_CASE("thread_pool_tasks: the error of a task is that of its future", "[thread_pool_tasks]") {
  thread_pool pool(1);
  auto f = concur::spawn(pool, []() -> task<int> {
    int const value = 7;
    co_await concur::yield();
    throw value;
  });
  CHECK(throws<int>([&] { f.get(); }));
}

// ---- what is counted

namespace {

std::string line_of(std::string const& name) {
  std::string found;
  concur::registry::for_each([&](concur::registry_entry const& entry) {
    if (entry.kind() != concur::registry_kind::thread_pool) return;
    std::string text;
    entry.describe(text);
    if (text.starts_with('"' + name + '"')) found = text;
  });
  return found;
}

}  // namespace

TEST_CASE("thread_pool_tasks: tasks that wait are listed, but leave the pool idle", "[thread_pool_tasks]") {
  thread_pool pool(2, concur::thread_pool_options().name("quiet"));
  std::atomic<int> done{0};
  event told;
  std::vector<future<void>> all;
  for (int i = 0; i < 3; ++i) all.push_back(concur::spawn(pool, waits(told, done)));
  pool.wait_idle();
  CHECK(done == 0);
  CHECK(pool.stats().tasks == 3);
  CHECK(pool.stats().done == 3);
  CHECK(line_of("quiet") == "\"quiet\", 2 workers, 0 queued, 0 running, 3 done, 3 tasks");
  told.set();
  for (auto& each : all) each.get();
  pool.wait_idle();
  CHECK(pool.stats().tasks == 0);
  CHECK(pool.stats().done == 6);
  CHECK(line_of("quiet") == "\"quiet\", 2 workers, 0 queued, 0 running, 6 done, 0 tasks");
}

// ---- the end

TEST_CASE("thread_pool_tasks: the destructor waits for tasks, whatever these wait for", "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u}) {
    for (int round = 0; round < rounds(200); ++round) {
      std::atomic<int> done{0};
      event told;
      std::optional<std::thread> stranger;
      {
        thread_pool pool(workers);
        auto dropped = concur::spawn(pool, waits(told, done));
        static_cast<void>(concur::spawn(pool, [&done]() -> task<> {
          int const one = 1;
          co_await concur::sleep_for(std::chrono::microseconds(50));
          done += one;
        }));
        static_cast<void>(concur::spawn(pool, [&done, &pool]() -> task<> {
          auto job = pool.submit([] { return 1; });
          int const one = co_await job;
          done += one;
        }));
        stranger.emplace([&told, round] {
          for (int i = 0; i < round % 20 * 50; ++i) concur::os::spin_pause();
          told.set();
        });
      }
      CHECK(done == 3);
      stranger->join();
    }
  }
}

TEST_CASE("thread_pool_tasks: after a shutdown the pool's tasks may spawn, but nobody else", "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    event told;
    auto const spawns = [](thread_pool& mine, event& awaited) -> task<int> {
      int sum = 0;
      co_await awaited.async_wait();
      auto inner = concur::spawn(mine, sum_of(4));
      sum += co_await inner;
      co_return sum;
    };
    auto f = concur::spawn(pool, spawns, std::ref(pool), std::ref(told));
    pool.shutdown(false);
    auto const kept = std::make_shared<int>(1);
    CHECK(throws<concur::closed>([&] { static_cast<void>(concur::spawn(pool, number(1))); }));
    CHECK(throws<concur::closed>(
        [&] { static_cast<void>(concur::spawn(pool, [kept]() -> task<int> { co_return *kept; })); }));
    CHECK(kept.use_count() == 1);
    CHECK(pool.stats().tasks == 1);
    CHECK_FALSE(f.done());
    told.set();
    pool.shutdown();
    CHECK(f.done());
    CHECK(f.get() == 6);
  }
}

TEST_CASE("thread_pool_tasks: a shutdown that cancels ends every wait, and waits for the tasks",
          "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u}) {
    for (int round = 0; round < rounds(100); ++round) {
      event never;
      concur::queue<int> empty(1);
      concur::mutex locked;
      concur::semaphore none(0);
      std::atomic<int> cleaned{0};
      struct at_end {
        ~at_end() { ++count; }
        std::atomic<int>& count;
      };
      locked.lock();
      thread_pool pool(workers);
      std::vector<future<void>> all;
      auto const add = [&](auto body) { all.push_back(concur::spawn(pool, std::move(body))); };
      add([&]() -> task<> {
        at_end const guard{cleaned};
        co_await never.async_wait();
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        static_cast<void>(co_await empty.async_get());
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        auto const held = co_await locked.async_lock();
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        co_await none.async_acquire();
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        co_await concur::sleep_for(1h);
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        for (;;) co_await concur::yield();
      });
      add([&]() -> task<> {
        at_end const guard{cleaned};
        std::optional<future<void>> job;
        try {
          job = pool.submit([workers](concur::os::stop_token const& stop) {
            // A single worker is needed by the others.
            if (workers > 1) static_cast<void>(event().wait(stop));
          });
        } catch (concur::closed const&) {
          // It came as far as this after the shutdown.
        }
        if (job) co_await *job;
        co_await never.async_wait();
      });
      if (round % 2 == 0) {
        for (int i = 0; i < round * 10; ++i) concur::os::spin_pause();
      } else {
        while (pool.stats().done < 7) std::this_thread::yield();
      }
      pool.shutdown(true, true);
      int wrong = 0;
      for (auto& each : all) wrong += each.done() && is_cancelled(each.error()) ? 0 : 1;
      CHECK(wrong == 0);
      CHECK(cleaned <= 7);
      CHECK(pool.stats().tasks == 0);
      locked.unlock();
    }
  }
}

TEST_CASE("thread_pool_tasks: what has not begun when the tasks are cancelled never begins", "[thread_pool_tasks]") {
  thread_pool pool(1);
  int const before = counted_value::alive();
  bool begun = false;
  std::vector<future<void>> all;
  std::optional<future<int>> inner;
  {
    held_workers const held(pool, 1);
    for (int i = 0; i < 10; ++i) {
      all.push_back(concur::spawn(pool, [&begun, mine = counted_value(1)]() -> task<> {
        begun = true;
        co_return;
      }));
    }
    pool.shutdown(false, true);
  }
  pool.shutdown();
  for (auto& each : all) CHECK(ended_cancelled(each));
  CHECK_FALSE(begun);
  CHECK(counted_value::alive() == before);

  // What a task spawns there afterwards does not begin either.
  thread_pool second(1);
  event runs;  // stats() counts it as running before it has begun
  event told;
  auto outer = concur::spawn(second, [&]() -> task<> {
    runs.set();
    told.wait();
    inner = concur::spawn(second, number_later(1));
    co_return;
  });
  runs.wait();
  second.shutdown(false, true);
  told.set();
  second.shutdown();
  CHECK(outer.error() == nullptr);
  CHECK(ended_cancelled(*inner));
}

TEST_CASE("thread_pool_tasks: a task may destroy its pool, and goes on there", "[thread_pool_tasks]") {
  support::nothing_left_behind const nothing;
  for (std::size_t const workers : {1u, 2u}) {
    for (int round = 0; round < rounds(100); ++round) {
      auto pool = std::make_unique<thread_pool>(workers);
      event told;
      auto const ends_it = [](std::unique_ptr<thread_pool>& mine, event& awaited) -> task<int> {
        int steps = 0;
        mine.reset();
        steps += co_await number_later(1);
        auto inner = concur::spawn(number_later(1));
        steps += co_await inner;
        co_await concur::sleep_for(std::chrono::microseconds(20));
        co_await awaited.async_wait();
        co_return steps;
      };
      auto f = concur::spawn(*pool, ends_it, std::ref(pool), std::ref(told));
      std::thread stranger([&] { told.set(); });
      CHECK(f.get() == 2);
      stranger.join();
    }
  }
  CHECK(nothing.holds());
}

TEST_CASE("thread_pool_tasks: a task cannot wait for its pool", "[thread_pool_tasks]") {
  thread_pool pool(1);
  auto f = concur::spawn(pool, [&pool]() -> task<int> {
    int refused = 0;
    refused += throws<concur::misuse>([&] { pool.shutdown(); }) ? 1 : 0;
    refused += throws<concur::misuse>([&] { pool.wait_idle(); }) ? 1 : 0;
    co_return refused;
  });
  CHECK(f.get() == 2);
}

TEST_CASE("thread_pool_tasks: the last task ends beside the destructor", "[thread_pool_tasks]") {
  for (int round = 0; round < rounds(2'000); ++round) {
    std::atomic<int> done{0};
    event told;
    {
      thread_pool pool(1 + std::size_t(round % 2));
      static_cast<void>(concur::spawn(pool, waits(told, done)));
      if (round % 3 == 0) std::this_thread::yield();
      told.set();
      for (int i = 0; i < round % 16 * 20; ++i) concur::os::spin_pause();
    }
    REQUIRE(done == 1);
  }
}

TEST_CASE("thread_pool_tasks: a spawn beside a shutdown is refused, or its task runs", "[thread_pool_tasks]") {
  for (int round = 0; round < rounds(1'000); ++round) {
    thread_pool pool(1 + std::size_t(round % 2));
    std::atomic<int> run{0}, accepted{0};
    bool const cancelling = round % 4 == 0;
    std::vector<future<void>> all;
    support::hammer crowd;
    crowd.add([&] {
      try {
        for (int i = 0; i < 20; ++i) {
          all.push_back(concur::spawn(pool, [&run]() -> task<> {
            int const one = 1;
            co_await concur::yield();
            run += one;
          }));
          ++accepted;
        }
      } catch (concur::closed const&) {
      }
    });
    crowd.add([&] {
      for (int i = 0; i < round % 50 * 10; ++i) concur::os::spin_pause();
      pool.shutdown(true, cancelling);
    });
    crowd.run();
    int ended_well = 0;
    for (auto& each : all) {
      REQUIRE(each.done());
      ended_well += each.error() == nullptr ? 1 : 0;
    }
    REQUIRE(int(all.size()) == accepted);
    REQUIRE(run == ended_well);
    if (!cancelling) REQUIRE(run == accepted);
  }
}

TEST_CASE("thread_pool_tasks: a future may be cancelled while its task and the pool end", "[thread_pool_tasks]") {
  for (int round = 0; round < rounds(1'000); ++round) {
    auto pool = std::make_unique<thread_pool>(1);
    auto f = concur::spawn(*pool, number_later(1));
    support::hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < round % 30 * 20; ++i) concur::os::spin_pause();
      f.cancel();
    });
    crowd.add([&] { pool.reset(); });
    crowd.run();
    REQUIRE(f.done());
    REQUIRE((is_cancelled(f.error()) || f.get() == 1));
  }
}

// ---- moving

namespace {

struct places {
  bool first = false, there = false, still_there = false, back = false;
};

task<int> away(thread_pool& pool, places& seen, event* awaited = nullptr) {
  int const value = 5;
  co_await pool.schedule();
  seen.there = pool.is_worker();
  if (awaited != nullptr) co_await awaited->async_wait();
  co_await concur::sleep_for(std::chrono::microseconds(10));
  seen.still_there = pool.is_worker();
  co_return value;
}

task<int> there_and_back(thread_pool& pool, loop_like& loop, places& seen, event* awaited = nullptr) {
  seen.first = concur::current_executor() == &loop;
  int const value = co_await away(pool, seen, awaited);
  seen.back = concur::current_executor() == &loop;  // the pool may be gone
  co_return value;
}

}  // namespace

TEST_CASE("thread_pool_tasks: a coroutine moves to the pool, and whoever awaits it goes on where it was",
          "[thread_pool_tasks]") {
  thread_pool pool(2);
  loop_like loop;
  for (int round = 0; round < rounds(500); ++round) {
    places seen;
    auto f = concur::spawn(loop, there_and_back(pool, loop, seen));
    loop.run_until([&] { return f.done(); });
    REQUIRE(f.get() == 5);
    REQUIRE((seen.first && seen.there && seen.still_there && seen.back));
  }
  CHECK(loop.tasks().empty());
  pool.wait_idle();
  CHECK(pool.stats().tasks == 0);
}

TEST_CASE("thread_pool_tasks: a task that moved to the pool keeps it, until it has gone", "[thread_pool_tasks]") {
  for (int round = 0; round < rounds(200); ++round) {
    auto pool = std::make_unique<thread_pool>(1 + std::size_t(round % 2));
    loop_like loop;
    event told;
    places seen;
    auto f = concur::spawn(loop, there_and_back(*pool, loop, seen, &told));
    loop.run_until([&] { return pool->stats().tasks == 1; });
    std::thread ending([&] { pool.reset(); });
    told.set();
    // It leaves the pool, and comes home.
    loop.run_until([&] { return f.done(); });
    ending.join();
    REQUIRE(f.get() == 5);
    REQUIRE((seen.there && seen.still_there));
  }
}

TEST_CASE("thread_pool_tasks: a move to a pool that was shut down is refused, but not the way back",
          "[thread_pool_tasks]") {
  thread_pool pool(1);
  loop_like loop;
  event told;
  std::optional<future<int>> visitor;
  bool arrived = false;
  // At home on the pool, and away while it shuts down.
  auto f = concur::spawn(pool, [&]() -> task<int> {
    int steps = 0;
    co_await concur::hop_to(loop);
    arrived = true;
    steps += concur::current_executor() == &loop ? 1 : 0;
    co_await told.async_wait();
    co_await pool.schedule();
    steps += pool.is_worker() ? 1 : 0;
    co_return steps;
  });
  loop.run_until([&] { return arrived; });
  CHECK(pool.stats().tasks == 1);
  pool.shutdown(false);
  visitor = concur::spawn(loop, [&]() -> task<int> {
    int refused = 0;
    try {
      co_await pool.schedule();
    } catch (concur::closed const&) {
      refused += concur::current_executor() == &loop ? 1 : 2;
    }
    told.set();
    co_return refused;
  });
  loop.run_until([&] { return visitor->done(); });
  loop.run_until_done(f);
  CHECK(visitor->get() == 1);
  CHECK(f.get() == 2);
  pool.shutdown();
}

TEST_CASE("thread_pool_tasks: a cancelled task does not move", "[thread_pool_tasks]") {
  thread_pool pool(1);
  loop_like loop;
  std::optional<future<void>> self;
  bool moved = false, refused = false;
  self = concur::spawn(loop, [&]() -> task<> {
    self->cancel();
    try {
      co_await pool.schedule();
      moved = true;
    } catch (concur::cancelled const&) {
      refused = concur::current_executor() == &loop;
      throw;
    }
  });
  loop.run_until([&] { return self->done(); });
  CHECK(refused);
  CHECK_FALSE(moved);
  CHECK(is_cancelled(self->error()));
}

TEST_CASE("thread_pool_tasks: a task of a single-threaded executor is cancelled while it is on the pool",
          "[thread_pool_tasks]") {
  thread_pool pool(2);
  std::minstd_rand random(7);
  int cancelled_there = 0;
  for (int round = 0; round < rounds(500); ++round) {
    loop_like loop;
    event never;
    auto const stays = [](thread_pool& there, event& waited) -> task<> {
      int const once = 1;
      co_await there.schedule();
      for (int i = 0; i < once; ++i) co_await concur::yield();
      co_await waited.async_wait();
    };
    auto f = concur::spawn(loop, stays, std::ref(pool), std::ref(never));
    auto g = concur::spawn(loop, stays, std::ref(pool), std::ref(never));
    auto const pause = random() % 400;
    std::thread stranger([&] {
      for (unsigned i = 0; i < pause; ++i) concur::os::spin_pause();
      f.cancel();
      loop.wake();  // it may have been done at once, here
    });
    bool asked = false;
    loop.run_until([&] {
      if (f.done() && !std::exchange(asked, true)) loop.tasks().cancel();
      return f.done() && g.done();
    });
    stranger.join();
    cancelled_there += is_cancelled(f.error()) && is_cancelled(g.error()) ? 1 : 0;
    REQUIRE(loop.tasks().empty());
  }
  CHECK(cancelled_there == rounds(500));
}

TEST_CASE("thread_pool_tasks: a task of the pool is cancelled while it is on a single-threaded executor",
          "[thread_pool_tasks]") {
  loop_like loop;
  std::minstd_rand random(9);
  for (int round = 0; round < rounds(500); ++round) {
    auto pool = std::make_unique<thread_pool>(1);
    event never;
    auto const stays = [](loop_like& there, event& waited, bool sleeping) -> task<> {
      bool const at_timer = sleeping;
      co_await concur::hop_to(there);
      if (at_timer) co_await concur::sleep_for(1h);
      co_await waited.async_wait();
    };
    auto f = concur::spawn(*pool, stays, std::ref(loop), std::ref(never), round % 2 == 0);
    auto const pause = random() % 400;
    std::thread stranger([&] {
      for (unsigned i = 0; i < pause; ++i) concur::os::spin_pause();
      pool->shutdown(true, true);
    });
    loop.run_until_done(f);
    stranger.join();
    REQUIRE(ended_cancelled(f));
  }
}

// ---- cancelled at every point

namespace {

// One wait of each kind; what it takes it gives back. The k-th wait is where the cancel may strike.
task<> takes_and_gives(thread_pool& pool, concur::semaphore& permits, concur::mutex& m, concur::queue<int>& items,
                       int& under_lock) {
  int const one = 1;
  struct permit {
    ~permit() { from.release(); }
    concur::semaphore& from;
  };
  for (;;) {
    co_await permits.async_acquire();
    permit const held{permits};
    {
      auto const lock = co_await m.async_lock();
      under_lock += one;
    }
    co_await concur::sleep_for(std::chrono::microseconds(1));
    int const item = co_await items.async_get();
    // Back without a wait, so that a cancel cannot come between.
    if (!items.try_put(int(item))) std::abort();
    auto job = pool.submit([] { return 2; });
    static_cast<void>(co_await job);
    co_await concur::yield();
    co_await pool.schedule();
  }
}

}  // namespace

TEST_CASE("thread_pool_tasks: cancelled at any moment, tasks lose nothing of what they take", "[thread_pool_tasks]") {
  thread_pool pool(2);
  std::minstd_rand random(3);
  concur::semaphore permits(2);
  concur::mutex m;
  concur::queue<int> items(8);
  int under_lock = 0;
  items.put(1);
  items.put(2);
  for (int round = 0; round < rounds(2'000); ++round) {
    std::vector<future<void>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(concur::spawn(pool, takes_and_gives(pool, permits, m, items, under_lock)));
    }
    for (auto& each : all) {
      for (auto i = random() % 300; i != 0; --i) concur::os::spin_pause();
      each.cancel();
    }
    for (auto& each : all) REQUIRE(ended_cancelled(each));
    REQUIRE(permits.try_acquire());
    REQUIRE(permits.try_acquire());
    REQUIRE_FALSE(permits.try_acquire());
    permits.release(2);
    REQUIRE(m.try_lock());
    m.unlock();
    REQUIRE(items.size() == 2);
  }
  pool.wait_idle();
  CHECK(pool.stats().tasks == 0);
}
