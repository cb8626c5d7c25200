// SPDX-License-Identifier: BSL-1.0
//
// Tasks of an event loop beside other threads, which wake them, cancel them, and send the loop the messages by which a
// scope or a group of tasks is cancelled from elsewhere.
#include <concur/loop/event_loop.hpp>

#include "support/bounded.hpp"

#include <concur/core/errors.hpp>
#include <concur/core/hop.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/future/future.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::future;
using concur::spawn;
using concur::task;
using concur::task_group;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

struct state {
  event_loop loop;
  event_loop another;
  concur::event set;
  concur::event opened;
  concur::event never_set;
  concur::semaphore permits{0};
  concur::cancel_scope scope;
  concur::os::plain<task_group*> group;
  counted passed;
  counted gave_up;
  future<void> f;
  bool gone = false;  // the task, on the loop's thread

  void run() {
    loop.run_until([this] { return gone; });
  }
};

/// An argument of the task, which goes with it on the thread of its loop.
class last_breath {
 public:
  explicit last_breath(state& st) noexcept : gone_(&st.gone) {}
  last_breath(last_breath&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
  last_breath& operator=(last_breath&&) = delete;
  ~last_breath() {
    if (gone_ != nullptr) *gone_ = true;
  }

 private:
  bool* gone_;
};

/// The task, and the thread of its loop.
state& started(scenario& s, task<> (*body)(state&, last_breath)) {
  auto& st = s.make<state>();
  st.f = spawn(st.loop, body(st, last_breath(st)));
  s.thread("loop", [&st] { st.run(); });
  return st;
}

void check_one_of_both(state& st) {
  check(st.f.done() && st.passed.get() + (st.f.error() != nullptr ? 1 : 0) == 1, "neither passed nor ended, or both");
}

task<> pass(state& st, last_breath) {
  int const one = 1;
  co_await st.set.async_wait();
  st.passed.add(one);
}

twice const woken("loop_tasks", "a wake from elsewhere", [](scenario& s) {
  auto& st = started(s, pass);
  s.thread("waker", [&st] { st.set.set(); });
  s.finally([&st] { check(st.passed.get() == 1, "it did not pass"); });
});

twice const message_beside_wake(
    "loop_tasks", "a message of a future beside a wake",
    [](scenario& s) {
      auto& st = started(s, pass);
      s.thread("waker", [&st] { st.set.set(); });
      s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
      s.finally([&st] { check_one_of_both(st); });
    },
    explored::schedules_of_three());

task<> counts(counted& runs) {
  runs.add();
  co_return;
}

// Either it is refused, or it is over when the loop is closed.
twice const spawn_beside_close("loop_tasks", "a spawn beside close", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& accepted = s.make<std::optional<future<void>>>();
  s.thread("closer", [&] { loop.close(); });
  s.thread("spawner", [&] {
    try {
      accepted = spawn(loop, counts(runs));
    } catch (concur::misuse const&) {
    }
  });
  s.finally([&] {
    check(!accepted || accepted->done(), "a task was forgotten");
    check(runs.get() == (accepted && accepted->error() == nullptr ? 1 : 0),
          "refused or cancelled, and run, or neither");
  });
});

task<> sleep(state& st, last_breath) {
  int const one = 1;
  co_await concur::sleep_for(1h);
  st.passed.add(one);
}

// As when a task of the loop has moved to a pool: then those who cancel it there reach all tasks of the loop.
twice const timer_of_a_shared_scope("loop_tasks", "a cancel of all from elsewhere beside a timer", [](scenario& s) {
  auto& st = s.make<state>();
  st.loop.tasks().share();
  st.f = spawn(st.loop, sleep(st, last_breath(st)));
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.loop.tasks().cancel(); });
  s.finally([&st] { check_one_of_both(st); });
});

task<> acquire_in_scope(state& st, last_breath) {
  bool const ended = co_await st.scope.run(st.permits.async_acquire());
  (ended ? st.passed : st.gave_up).add();
}

twice const scope_from_elsewhere("loop_tasks", "a cancel of a scope from elsewhere", [](scenario& s) {
  auto& st = started(s, acquire_in_scope);
  s.thread("canceller", [&st] { st.scope.cancel(); });
  s.finally([&st] { check(st.gave_up.get() == 1, "it did not give up"); });
});

twice const scope_beside_wake(
    "loop_tasks", "a cancel of a scope from elsewhere beside the wake",
    [](scenario& s) {
      auto& st = started(s, acquire_in_scope);
      s.thread("canceller", [&st] { st.scope.cancel(); });
      s.thread("releaser", [&st] { st.permits.release(); });
      s.finally([&st] {
        check(st.passed.get() + st.gave_up.get() == 1, "neither acquired nor gave up, or both");
        check(st.permits.try_acquire() == (st.passed.get() == 0), "a permit was lost, or made");
      });
    },
    explored::schedules_of_three());

// The deadline is set by a message, and the timer strikes.
twice const deadline_from_elsewhere("loop_tasks", "a deadline set from elsewhere", [](scenario& s) {
  auto& st = started(s, acquire_in_scope);
  s.thread("another", [&st] { st.scope.cancel_after(1ms); });
  s.finally([&st] { check(st.gave_up.get() == 1, "it did not give up"); });
});

task<> open_group(state& st, last_breath) {
  auto const body = [&st](task_group& group) -> task<> {
    st.group.set(&group);
    st.opened.set();
    co_await st.set.async_wait();
    st.passed.add();
  };
  co_await concur::with_group(body);
  st.gave_up.add(1 - st.passed.get());
}

// The group must not go before the message that cancels it.
twice const group_from_elsewhere(
    "loop_tasks", "a cancel of a group from elsewhere beside its end",
    [](scenario& s) {
      auto& st = started(s, open_group);
      s.thread("canceller", [&st] {
        st.opened.wait();
        st.group.get()->cancel();
        st.set.set();
      });
      s.finally([&st] {
        check(st.f.done() && st.f.error() == nullptr, "the cancel of the group came out");
        check(st.passed.get() + st.gave_up.get() == 1, "neither passed nor gave up, or both");
      });
    },
    explored::schedules_of_three());

task<> hop(state& st, last_breath) {
  int const one = 1;
  co_await st.another.schedule();
  st.passed.add(one);
}

twice const two_loops("loop_tasks", "a task that moves to another loop, and back", [](scenario& s) {
  auto& st = started(s, hop);
  s.thread("another", [&st] { st.another.run_until([&st] { return st.passed.get() == 1; }); });
  s.finally([&st] { check(st.f.done() && st.f.error() == nullptr, "it failed"); });
});

// Whoever runs the loop until the future is done must see that it is, also when nothing else happens any more.
twice const cancelled_unbegun("loop_tasks", "a cancel before the begin, beside one who waits for the future",
                              [](scenario& s) {
                                auto& st = s.make<state>();
                                st.f = spawn(st.loop, pass(st, last_breath(st)));
                                s.thread("loop", [&st] { st.loop.run_until([&st] { return st.f.done(); }); });
                                s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
                                s.finally([&st] { check_one_of_both(st); });
                              });

}  // namespace

TEST_CASE("event_loop, its tasks: every schedule") { explored::run("loop_tasks"); }
