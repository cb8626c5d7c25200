// SPDX-License-Identifier: BSL-1.0
//
// Shutdowns that wait for so long, or for a task, beside the last job.
#include <concur/pool/thread_pool.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <optional>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::thread_pool;
using explored::counted;
using explored::preemptions;
using explored::registration;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

registration const timed(
    "pool_end", "a timed shutdown beside the last job",
    [] {
      counted run;
      {
        thread_pool pool(1);
        pool.post([&] { run.add(); });
        if (pool.try_shutdown_for(1ms)) check(run.get() == 1, "ended before the job had run, or without what it did");
      }
      check(run.get() == 1, "the job was lost");
    },
    preemptions(3, 1));

registration const timed_old_values(
    "pool_end", "a timed shutdown beside the last job, old values",
    [] {
      counted run;
      thread_pool pool(1);
      pool.post([&] { run.add(); });
      if (pool.try_shutdown_for(1ms, true)) return;
      pool.shutdown();
    },
    preemptions(1, 1, 1));

// The pool is gone as soon as the task has ended, or was cancelled and another has waited.
struct state {
  std::optional<thread_pool> pool{std::in_place, 1};
  counted run;
  counted passed;
};

support::test_task<> shut_down(state& st) {
  counted const none;
  co_await st.pool->async_shutdown();
  check(st.run.get() == 1, "ended before the job had run, or without what it did");
  st.passed.add();
}

explored::one_task& add_worker(scenario& s, state& st) {
  auto& t = s.make<explored::one_task>(shut_down(st));
  st.pool->post([&st] { st.run.add(); });
  s.thread("worker", [&] {
    t.run();
    check((st.passed.get() == 1) != t.was_cancelled(), "neither ended nor cancelled, or both");
    st.pool.reset();
    check(st.run.get() == 1, "the job was lost");
  });
  return t;
}

twice const awaited(
    "pool_end", "a task's shutdown beside the last job",
    [](scenario& s) {
      auto& st = s.make<state>();
      add_worker(s, st);
      s.finally([&st] { check(st.passed.get() == 1, "cancelled by nobody"); });
    },
    preemptions(3, 0));

registration const awaited_cancelled(
    "pool_end", "a task's shutdown beside the last job and its cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = add_worker(s, st);
      s.thread("canceller", [&t] { t.cancel(); });
    },
    preemptions(2, 0));

}  // namespace

TEST_CASE("pool_end: every schedule") { explored::run("pool_end"); }
