// SPDX-License-Identifier: BSL-1.0
//
// A task inside a scope with a deadline. The timer's item runs on a thread of its own, beside the task, and the scope
// is gone as soon as the task has left it.
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/timeout.hpp>

#include "support/explored_task.hpp"

#include <concur/sync/semaphore.hpp>

#include <chrono>
#include <optional>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

struct room {
  concur::semaphore permits{0};
  std::optional<concur::cancel_scope> scope;
  counted acquired;  // by the task
  counted gave_up;   // by the task

  /// What is released once was either acquired or is there still.
  void check_permits() { check(permits.try_acquire() == (acquired.get() == 0), "a permit was lost, or made"); }
};

support::test_task<> limited(room& st) {
  bool const in_time = co_await concur::move_on_after(1ms, st.permits.async_acquire());
  (in_time ? st.acquired : st.gave_up).add();
}

support::test_task<> in_scope(room& st) {
  bool const ended = co_await st.scope->run(st.permits.async_acquire());
  (ended ? st.acquired : st.gave_up).add();
}

explored::one_task& add_worker(scenario& s, room& st, support::test_task<> (*task)(room&)) {
  auto& t = s.make<explored::one_task>(task(st));
  s.thread("worker", [&st, &t] {
    t.run();
    t.stop_clock();
    check(!t.failed(), "an error came out");
    check(st.acquired.get() + st.gave_up.get() == (t.was_cancelled() ? 0 : 1), "neither acquired nor gave up, or both");
  });
  return t;
}

twice const limit_alone("timeout", "the limit alone", [](scenario& s) {
  auto& st = s.make<room>();
  auto& t = add_worker(s, st, limited);
  s.thread("clock", [&t] { t.run_clock(); });
  s.finally([&s, &st] { s.check(st.gave_up.get() == 1, "it did not give up"); });
});

twice const limit_beside_wake(
    "timeout", "the limit beside the wake",
    [](scenario& s) {
      auto& st = s.make<room>();
      auto& t = add_worker(s, st, limited);
      s.thread("clock", [&t] { t.run_if_armed(); });
      s.thread("releaser", [&st] { st.permits.release(); });
      s.finally([&st] { st.check_permits(); });
    },
    explored::schedules_of_three());

twice const limit_beside_cancel(
    "timeout", "the limit beside a cancel of the task",
    [](scenario& s) {
      auto& st = s.make<room>();
      auto& t = add_worker(s, st, limited);
      s.thread("clock", [&t] { t.run_if_armed(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

twice const scope_beside_wake(
    "timeout", "a scope is cancelled beside the wake",
    [](scenario& s) {
      auto& st = s.make<room>();
      st.scope.emplace();
      add_worker(s, st, in_scope);
      s.thread("canceller", [&st] { st.scope->cancel(); });
      s.thread("releaser", [&st] { st.permits.release(); });
      s.finally([&st] { st.check_permits(); });
    },
    explored::schedules_of_three());

twice const deadline_moved(
    "timeout", "a deadline is moved beside the timer",
    [](scenario& s) {
      auto& st = s.make<room>();
      st.scope.emplace();
      st.scope->cancel_after(1ms);
      auto& t = add_worker(s, st, in_scope);
      s.thread("clock", [&t] { t.run_if_armed(); });
      s.thread("mover", [&st] {
        st.scope->cancel_after(2ms);
        st.permits.release();
      });
      s.finally([&st] { st.check_permits(); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("timeout: explored", "[timeout]") { explored::run("timeout"); }
