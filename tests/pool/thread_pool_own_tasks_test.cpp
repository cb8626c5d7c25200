// SPDX-License-Identifier: BSL-1.0
//
// Tasks that a pool's workers post themselves, and keep: in which order they begin, that others take them over, that
// nobody starves, and what becomes of them at the end.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "pool_support.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/semaphore.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::gather;
using concur::task;
using concur::thread_pool;
using support::held_workers;
using support::is_cancelled;
using support::rounds;
using support::throws;

using numbers = std::vector<int>;

// On a pool of one, so nobody else writes.
task<> notes(numbers& log, int number) {
  log.push_back(number);
  co_return;
}

task<> counts(std::atomic<int>& run) {
  ++run;
  co_return;
}

task<long> fib(int n) {
  if (n < 2) co_return n;
  auto const [before, last] = co_await gather(fib(n - 2), fib(n - 1));
  co_return before + last;
}

task<long> leaves_below(int depth, int branches) {
  if (depth == 0) co_return 1;
  std::vector<task<long>> forks;
  for (int i = 0; i < branches; ++i) forks.push_back(leaves_below(depth - 1, branches));
  auto const counts = co_await gather(std::move(forks));
  long sum = 0;
  for (long const each : counts) sum += each;
  co_return sum;
}

}  // namespace

// ---- the order

TEST_CASE("own tasks: what a task spawns is begun newest first, before what waits outside", "[thread_pool_tasks]") {
  thread_pool pool(1);
  numbers log;
  {
    held_workers const held(pool, 1);
    static_cast<void>(concur::spawn(pool, [&]() -> task<> {
      for (int i = 0; i < 5; ++i) static_cast<void>(concur::spawn(notes(log, i)));
      log.push_back(5);
      co_return;
    }));
    static_cast<void>(concur::spawn(pool, notes(log, 6)));
  }
  pool.wait_idle();
  CHECK(log == numbers{5, 4, 3, 2, 1, 0, 6});
}

TEST_CASE("own tasks: those of a gather begin in the order of the arguments", "[thread_pool_tasks]") {
  thread_pool pool(1);
  numbers log;
  auto const all = [&]() -> task<> {
    auto three = gather(notes(log, 1), notes(log, 2), notes(log, 3));
    log.push_back(0);
    co_await three;
    std::vector<task<>> more;
    for (int i = 4; i < 8; ++i) more.push_back(notes(log, i));
    co_await gather(std::move(more));
    log.push_back(8);
  };
  {
    held_workers const held(pool, 1);
    static_cast<void>(concur::spawn(pool, all));
    static_cast<void>(concur::spawn(pool, notes(log, 9)));
  }
  pool.wait_idle();
  CHECK(log == numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("own tasks: a task that yields lets all go first that are queued", "[thread_pool_tasks]") {
  thread_pool pool(1);
  numbers log;
  auto const yields = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) static_cast<void>(concur::spawn(notes(log, i)));
    co_await concur::yield();
    log.push_back(9);
  };
  {
    held_workers const held(pool, 1);
    static_cast<void>(concur::spawn(pool, yields));
    static_cast<void>(concur::spawn(pool, notes(log, 7)));
  }
  pool.wait_idle();
  CHECK(log == numbers{2, 1, 0, 7, 9});
}

// ---- that nobody starves

namespace {

// Two tasks that wake each other for ever keep their worker busy with what is its own.
class restless_pair {
 public:
  explicit restless_pair(thread_pool& pool) {
    ends_.push_back(concur::spawn(pool, plays(mine_, other_)));
    ends_.push_back(concur::spawn(pool, plays(other_, mine_)));
    mine_.release();
    while (turns_ < 10) std::this_thread::yield();
  }
  ~restless_pair() {
    over_ = true;
    for (auto& each : ends_) each.wait();
  }
  restless_pair(restless_pair const&) = delete;
  restless_pair& operator=(restless_pair const&) = delete;

 private:
  task<> plays(concur::semaphore& awaited, concur::semaphore& told) {
    int const one = 1;
    while (!over_) {
      co_await awaited.async_acquire();
      turns_ += one;
      told.release();
    }
    told.release();  // the other one may wait for a turn that would not come any more
  }

  concur::semaphore mine_{0};
  concur::semaphore other_{0};
  std::atomic<bool> over_{false};
  std::atomic<long> turns_{0};
  std::vector<future<void>> ends_;
};

class yields_for_ever {
 public:
  explicit yields_for_ever(thread_pool& pool) : end_(concur::spawn(pool, plays())) {
    while (turns_ < 10) std::this_thread::yield();
  }
  ~yields_for_ever() {
    over_ = true;
    end_.wait();
  }
  yields_for_ever(yields_for_ever const&) = delete;
  yields_for_ever& operator=(yields_for_ever const&) = delete;

 private:
  task<> plays() {
    int const one = 1;
    while (!over_) {
      turns_ += one;
      co_await concur::yield();
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<long> turns_{0};
  future<void> end_;
};

// Jobs and tasks, given in all ways, end while `Busy` goes on.
template <class Busy>
void nobody_starves() {
  thread_pool pool(1);
  std::optional<Busy> busy;
  busy.emplace(pool);
  std::atomic<int> run{0};
  // From outside.
  pool.submit([] {}).get();
  concur::spawn(pool, counts(run)).get();
  pool.submit(concur::job_priority::high, [] {}).get();
  // From inside, where the oldest waits below the others.
  concur::spawn(pool, [&]() -> task<> {
    auto job = pool.submit([&run] { ++run; });
    for (int i = 0; i < 10; ++i) static_cast<void>(concur::spawn(counts(run)));
    co_await job;
  }).get();
  CHECK(support::soon([&run] { return run == 12; }));
  concur::spawn(
      pool,
      [](std::atomic<int>& r) -> task<> {
        int const one = 1;
        co_await gather(counts(r), counts(r));
        co_await concur::sleep_for(1us);
        r += one;
      },
      std::ref(run))
      .get();
  CHECK(run == 15);
}

}  // namespace

TEST_CASE("own tasks: two that wake each other keep nobody waiting", "[thread_pool_tasks]") {
  nobody_starves<restless_pair>();
}

TEST_CASE("own tasks: one that yields for ever keeps nobody waiting", "[thread_pool_tasks]") {
  nobody_starves<yields_for_ever>();
}

// The worker that gave the task is held until it has run; the other one has enough to do.
TEST_CASE("own tasks: a busy worker takes over what lies with one that is held", "[thread_pool_tasks]") {
  auto const taken_over = [](auto start_busy) {
    for (int round = 0; round < rounds(20); ++round) {
      thread_pool pool(2);
      concur::latch begun(2);
      event spawned, held;
      std::atomic<int> run{0};
      auto holder = pool.submit([&] {
        begun.count_down();
        held.wait();
        static_cast<void>(concur::spawn(counts(run)));
        pool.post([&run] { ++run; });
        spawned.set();
        while (run < 2) std::this_thread::yield();
      });
      begun.count_down();
      begun.wait();
      auto const busy = start_busy(pool);  // on the other one, since this is held
      held.set();
      spawned.wait();
      CHECK(support::soon([&run] { return run == 2; }));
      run = 2;
      holder.wait();
    }
  };
  taken_over([](thread_pool& pool) { return std::make_unique<restless_pair>(pool); });
  taken_over([](thread_pool& pool) { return std::make_unique<yields_for_ever>(pool); });
}

// ---- others take them over

TEST_CASE("own tasks: a worker that blocks for what it has spawned is helped", "[thread_pool_tasks]") {
  thread_pool pool(2);
  for (int round = 0; round < rounds(1'000); ++round) {
    auto f = concur::spawn(pool, []() -> task<bool> {
      event told;
      auto const tells = [](event& e) -> task<> {
        e.set();
        co_return;
      };
      static_cast<void>(concur::spawn(tells(told)));
      told.wait();  // blocks the worker
      co_return true;
    });
    REQUIRE(f.get());
    // The same with the blocking wait of a future, in a job.
    std::atomic<int> run{0};
    pool.submit([&] { concur::spawn(counts(run)).get(); }).get();
    REQUIRE(run == 1);
  }
}

TEST_CASE("own tasks: children of a gather run at the same time", "[thread_pool_tasks]") {
  thread_pool pool(2);
  for (int round = 0; round < rounds(500); ++round) {
    concur::latch both(2);
    auto const meets = [](concur::latch& there) -> task<> {
      there.arrive_and_wait(1);  // blocks its worker until the other is there
      co_return;
    };
    concur::spawn(pool, [&]() -> task<> {
      int const once = 1;
      co_await gather(meets(both), meets(both));
      static_cast<void>(once);
    }).get();
  }
}

TEST_CASE("own tasks: trees of gathers", "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u, 3u}) {
    thread_pool pool(workers);
    for (int round = 0; round < rounds(20); ++round) {
      REQUIRE(concur::spawn(pool, fib(15)).get() == 610);
      REQUIRE(concur::spawn(pool, leaves_below(3, 10)).get() == 1000);
    }
  }
}

TEST_CASE("own tasks: more than a worker has room for", "[thread_pool_tasks]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    int const count = rounds(5'000);
    std::atomic<int> run{0};
    concur::spawn(pool, [&]() -> task<> {
      for (int i = 0; i < count; ++i) static_cast<void>(concur::spawn(counts(run)));
      co_return;
    }).get();
    pool.wait_idle();
    CHECK(run == count);
    CHECK(pool.stats().tasks == 0);
    CHECK(concur::spawn(pool, leaves_below(1, count)).get() == count);
    CHECK(pool.stats().queued == 0);
  }
}

// ---- the end

TEST_CASE("own tasks: at the end they run, or never begin, and none is forgotten", "[thread_pool_tasks]") {
  for (int round = 0; round < rounds(500); ++round) {
    bool const cancelling = round % 2 == 0;
    std::atomic<int> run{0};
    std::vector<future<void>> all;
    event begun;
    thread_pool pool(1 + std::size_t(round % 3));
    auto outer = concur::spawn(pool, [&]() -> task<> {
      begun.set();
      for (int i = 0; i < 20; ++i) all.push_back(concur::spawn(counts(run)));
      co_return;
    });
    begun.wait();
    for (int i = 0; i < round % 40 * 20; ++i) concur::os::spin_pause();
    pool.shutdown(true, cancelling);
    REQUIRE(outer.error() == nullptr);
    int ended_well = 0;
    for (auto& each : all) {
      REQUIRE(each.done());
      ended_well += is_cancelled(each.error()) ? 0 : 1;
    }
    REQUIRE(all.size() == 20);
    REQUIRE(run == ended_well);
    if (!cancelling) REQUIRE(run == 20);
    REQUIRE(pool.stats().tasks == 0);
    REQUIRE(pool.stats().queued == 0);
  }
}

TEST_CASE("own tasks: a shutdown that cancels leaves the tasks of a worker that is held to it", "[thread_pool_tasks]") {
  thread_pool pool(1);
  std::atomic<int> run{0};
  std::optional<future<void>> spawned, given;
  event queued, told;
  bool wrong_thread = false;
  auto outer = concur::spawn(pool, [&]() -> task<> {
    struct at_end {
      ~at_end() { wrong = wrong || !of.is_worker(); }
      thread_pool& of;
      bool& wrong;
    };
    auto const argument = [](std::atomic<int>& r, at_end) -> task<> {
      ++r;
      co_return;
    };
    spawned = concur::spawn(argument(run, at_end{pool, wrong_thread}));
    given = pool.submit([&run] { ++run; });
    queued.set();
    told.wait();
    co_return;
  });
  queued.wait();
  pool.shutdown(false, true);
  CHECK(given->done());
  CHECK_FALSE(spawned->done());
  told.set();
  pool.shutdown();
  CHECK(is_cancelled(given->error()));
  CHECK(is_cancelled(spawned->error()));
  CHECK(run == 0);
  CHECK_FALSE(wrong_thread);
}

// ---- waiting for a task

TEST_CASE("own tasks: the only worker cannot block for a task", "[thread_pool_tasks]") {
  thread_pool pool(1);
  std::atomic<int> run{0};
  std::optional<future<void>> left;
  auto both_refused = pool.submit([&] {
    left = concur::spawn(counts(run));
    return throws<concur::misuse>([&] { left->wait(); }) &&
           throws<concur::misuse>([&] { static_cast<void>(left->wait_for(1ms)); });
  });
  CHECK(both_refused.get());
  left->get();  // from outside
  CHECK(run == 1);
  // In a task as in a job, and what has ended may be asked for.
  CHECK(concur::spawn(pool, [&]() -> task<bool> {
          auto mine = concur::spawn(counts(run));
          bool const refused = throws<concur::misuse>([&] { mine.wait(); });
          co_await mine;
          co_return refused;
        }).get());
  auto ended = concur::spawn(pool, counts(run));
  ended.wait();
  pool.submit([&] { ended.get(); }).get();
  CHECK(run == 3);
}
