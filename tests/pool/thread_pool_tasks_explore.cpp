// SPDX-License-Identifier: BSL-1.0
//
// Tasks on whole pools: what keeps the workers from their end, and who tells them that it has come.
#include <concur/pool/thread_pool.hpp>

#include "support/explored_task.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace {

using concur::event;
using concur::future;
using concur::task;
using concur::thread_pool;
using explored::counted;
using explored::preemptions;
using explored::registration;
using explored::testing::check;
using explored::testing::scenario;
using namespace std::chrono_literals;

task<> counts(counted& run) {
  run.add();
  co_return;
}

task<> yields(counted& run) {
  int const once = 1;
  co_await concur::yield();
  run.add(once);
}

task<> waits(event& told, counted& run) {
  int const once = 1;
  co_await told.async_wait();
  run.add(once);
}

task<> sleeps(counted& run) {
  int const once = 1;
  co_await concur::sleep_for(1s);
  run.add(once);
}

task<> spawns(thread_pool& pool, counted& run) {
  static_cast<void>(concur::spawn(pool, counts(run)));
  co_return;
}

registration const ends(
    "thread_pool_tasks", "a task beside the destructor",
    [] {
      counted run;
      {
        thread_pool pool(1);
        static_cast<void>(concur::spawn(pool, counts(run)));
      }
      check(run.get() == 1, "the task did not run before the end of the pool");
    },
    preemptions(3, 0, 1));

registration const goes_on(
    "thread_pool_tasks", "a task that yields, beside the destructor",
    [] {
      counted run;
      {
        thread_pool pool(1);
        static_cast<void>(concur::spawn(pool, yields(run)));
      }
      check(run.get() == 1, "the task did not end before the pool");
    },
    preemptions(3));

registration const spawned_by_task(
    "thread_pool_tasks", "a task that spawns a task, beside the destructor",
    [] {
      counted run;
      {
        thread_pool pool(1);
        static_cast<void>(concur::spawn(pool, spawns(pool, run)));
      }
      check(run.get() == 1, "what the task spawned did not run");
    },
    preemptions(2));

registration const asleep(
    "thread_pool_tasks", "a task that sleeps, beside the destructor",
    [] {
      counted run;
      {
        thread_pool pool(1);
        static_cast<void>(concur::spawn(pool, sleeps(run)));
      }
      check(run.get() == 1, "the task did not end before the pool");
    },
    preemptions(2));

// The worker finds nothing to do, but must stay; then the task's end is what ends the pool.
registration const woken_last(
    "thread_pool_tasks", "a task that is woken from outside, beside the destructor",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& told = s.make<event>();
      auto& run = s.make<counted>();
      static_cast<void>(concur::spawn(*pool, waits(told, run)));
      s.thread("stranger", [&] { told.set(); });
      s.thread("owner", [&] {
        pool.reset();
        check(run.get() == 1, "the task did not end before the pool");
      });
    },
    preemptions(2));

// One of the workers ends the last task while the other is on its way to sleep, or sleeps.
registration const two_workers(
    "thread_pool_tasks", "the last of two workers' tasks, beside the destructor",
    [] {
      counted run;
      event told;
      {
        thread_pool pool(2);
        static_cast<void>(concur::spawn(pool, waits(told, run)));
        told.set();
      }
      check(run.get() == 1, "the task did not end before the pool");
    },
    preemptions(1));

// What a worker posts lies in its own deque: the other one comes for it while the owner takes it, and while both end.
registration const stolen(
    "thread_pool_tasks", "a task in its worker's own deque beside a thief, and the destructor",
    [] {
      counted run;
      {
        thread_pool pool(2);
        static_cast<void>(concur::spawn(pool, spawns(pool, run)));
      }
      check(run.get() == 1, "what the task spawned did not run");
    },
    preemptions(2));

task<> tells(event& told) {
  told.set();
  co_return;
}

task<> blocks(thread_pool& pool, counted& run) {
  event told;
  static_cast<void>(concur::spawn(pool, tells(told)));
  told.wait();
  run.add();
  co_return;
}

registration const stolen_from_held(
    "thread_pool_tasks", "a worker that is held until the other one has run a task of its deque",
    [] {
      counted run;
      {
        thread_pool pool(2);
        static_cast<void>(concur::spawn(pool, blocks(pool, run)));
      }
      check(run.get() == 1, "the task did not end before the pool");
    },
    preemptions(2));

task<> gathers(counted& first, counted& second) {
  int const once = 1;
  co_await concur::gather(counts(first), counts(second));
  check(first.get() == once && second.get() == once, "not seen by the parent");
}

// The children begin on one worker or on both, and either of them resumes the parent.
void gather_on(int workers) {
  counted first;
  counted second;
  std::optional<future<void>> f;
  {
    thread_pool pool{std::size_t(workers)};
    f = concur::spawn(pool, gathers(first, second));
  }
  check(f->done() && f->error() == nullptr, "it did not end before the pool");
}

registration const gathered(
    "thread_pool_tasks", "a gather of two tasks on one worker", [] { gather_on(1); }, preemptions(2));

registration const gathered_by_two(
    "thread_pool_tasks", "a gather of two tasks on two workers", [] { gather_on(2); }, preemptions(2));

// Either it is refused or it runs.
bool spawn_refused(thread_pool& pool, counted& run, std::optional<future<void>>& result) {
  try {
    result = concur::spawn(pool, counts(run));
    return false;
  } catch (concur::closed const&) {
    return true;
  }
}

registration const beside_shutdown(
    "thread_pool_tasks", "a spawn beside a shutdown",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& accepted = s.make<counted>();
      auto& result = s.make<std::optional<future<void>>>();
      s.thread("spawner", [&] {
        if (!spawn_refused(*pool, run, result)) accepted.add();
      });
      s.thread("closer", [&] { pool->shutdown(); });
      s.finally([&] {
        check(run.get() == accepted.get(), "refused and run, or accepted and lost");
        check(!result || result->done(), "a task was forgotten");
      });
    },
    preemptions(2));

registration const cancelled_beside_spawn(
    "thread_pool_tasks", "a spawn beside a shutdown that cancels",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& result = s.make<std::optional<future<void>>>();
      s.thread("spawner", [&] { static_cast<void>(spawn_refused(*pool, run, result)); });
      s.thread("closer", [&] { pool->shutdown(true, true); });
      s.finally([&] {
        check(!result || result->done(), "a task was forgotten");
        check(run.get() == (result && result->error() == nullptr ? 1 : 0), "cancelled and run, or neither");
      });
    },
    preemptions(2));

// The wake and the cancel of the task, and its way to sleep.
registration const cancelled_asleep(
    "thread_pool_tasks", "a task that waits, beside a shutdown that cancels",
    [] {
      counted run;
      event never;
      thread_pool pool(1);
      auto f = concur::spawn(pool, waits(never, run));
      pool.shutdown(true, true);
      check(f.done() && f.error() != nullptr && run.get() == 0, "not cancelled");
    },
    preemptions(3));

registration const cancelled_sleep(
    "thread_pool_tasks", "a task that sleeps, beside its cancel",
    [] {
      counted run;
      std::optional<future<void>> f;
      {
        thread_pool pool(1);
        f = concur::spawn(pool, sleeps(run));
        f->cancel();
      }
      check(f->done(), "a task was forgotten");
      check(run.get() == (f->error() == nullptr ? 1 : 0), "cancelled and run");
    },
    preemptions(2));

// Whoever cancels does not hold the pool, only the future.
registration const cancelled_at_the_end(
    "thread_pool_tasks", "a cancel beside the end of task and pool",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      auto& f = s.make<future<void>>(concur::spawn(*pool, yields(run)));
      s.thread("canceller", [&] { f.cancel(); });
      s.thread("owner", [&] { pool.reset(); });
      s.finally([&] {
        check(f.done(), "a task was forgotten");
        check(run.get() == (f.error() == nullptr ? 1 : 0), "cancelled and run");
      });
    },
    preemptions(2));

registration const figures(
    "thread_pool_tasks", "stats beside a task",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& asked = s.make<event>();
      auto& run = s.make<counted>();
      s.thread("onlooker", [&] {
        check(pool->stats().tasks <= 1, "more ended than came");
        asked.set();
      });
      s.thread("owner", [&] {
        static_cast<void>(concur::spawn(*pool, counts(run)));
        asked.wait();
        pool.reset();
      });
    },
    preemptions(1, 0, 1));

// Somebody else's task that has moved here is waited for, too.
task<> visits(thread_pool& pool, counted& run) {
  int const once = 1;
  try {
    co_await pool.schedule();
  } catch (concur::closed const&) {
    co_return;
  }
  run.add(once);
}

registration const visited(
    "thread_pool_tasks", "a task that moves to the pool, beside the destructor",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& arrived = s.make<event>();
      auto& run = s.make<counted>();
      s.thread("visitor", [&] {
        explored::one_slot_executor home;
        auto f = concur::spawn(home, visits(*pool, run));
        home.run_one();
        arrived.set();
        if (!f.done()) home.run_one();  // refused it has ended in the first run
        check(f.done() && f.error() == nullptr && run.get() == 1, "it did not run there");
      });
      s.thread("owner", [&] {
        arrived.wait();
        pool.reset();
      });
    },
    preemptions(2));

registration const visited_beside_shutdown(
    "thread_pool_tasks", "a task that moves to the pool, beside a shutdown",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 1);
      auto& run = s.make<counted>();
      s.thread("visitor", [&] {
        explored::one_slot_executor home;
        auto f = concur::spawn(home, visits(*pool, run));
        while (!f.done()) home.run_one();
        check(f.error() == nullptr, "neither refused nor run");
      });
      s.thread("closer", [&] { pool->shutdown(); });
    },
    preemptions(2));

}  // namespace

TEST_CASE("thread_pool_tasks: every schedule") { explored::run("thread_pool_tasks"); }
