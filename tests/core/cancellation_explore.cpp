// SPDX-License-Identifier: BSL-1.0
//
// The race between a cancel, a wake, and a task that goes to sleep or wakes up, with the smallest primitive there is: a
// word with one waiter.
#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>

#include "support/explored_gate.hpp"
#include "support/explored_task.hpp"

namespace {

using explored::counted;
using explored::gate;
using explored::one_task;
using explored::testing::scenario;
using explored::twice;
using support::test_task;

struct state {
  gate g;
  counted passed;
};

test_task<> pass_once(state& st) {
  int const one = 1;
  co_await st.g.async_pass();
  st.passed.add(one);
}

test_task<> pass_twice(state& st) {
  int const one = 1;
  co_await st.g.async_pass();
  st.passed.add(one);
  co_await st.g.async_pass();
  st.passed.add(one);
}

twice const beside_a_wake(
    "cancellation", "a cancel beside a wake",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<one_task>(pass_once(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("waker", [&st] { st.g.open(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { s.check((st.passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both"); });
    },
    explored::schedules_of_three());

// Nobody opens the gate: a cancel that is lost leaves the worker asleep for ever.
twice const alone("cancellation", "a cancel alone", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<one_task>(pass_once(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("canceller", [&t] { t.cancel(); });
  s.finally([&] { s.check(t.was_cancelled() && st.passed.get() == 0, "the task passed a closed gate"); });
});

// The task hides its operation while the canceller, which comes last, still sees it.
twice const after_a_wake("cancellation", "a cancel after a wake", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<one_task>(pass_once(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("canceller", [&] {
    st.g.open();
    t.cancel();
  });
  s.finally([&] { s.check((st.passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both"); });
});

// What is granted stays granted; the cancel strikes at the next wait, which would not succeed either.
twice const level_triggered("cancellation", "a cancel stays", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<one_task>(pass_twice(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("canceller", [&] {
    t.cancel();
    st.g.open();
  });
  s.finally([&] { s.check(t.was_cancelled() || st.passed.get() == 2, "neither passed nor cancelled"); });
});

// The scope inside goes while the outer one is being cancelled.
twice const nested("cancellation", "a scope ends beside the cancel of the one around it", [](scenario& s) {
  struct nest {
    concur::cancellation outer;
    counted refused;
  };
  auto& n = s.make<nest>();
  s.thread("inner", [&n] {
    concur::cancellation inner(n.outer);
    if (inner.cancelled()) n.refused.add();
  });
  s.thread("canceller", [&] { s.check(n.outer.cancel(), "the first cancel was not the first"); });
  s.finally([&] {
    concur::cancellation late(n.outer);
    s.check(late.cancelled(), "a scope inside a cancelled one is not cancelled");
  });
});

twice const two_cancellers(
    "cancellation", "two cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<one_task>(pass_once(st));
      s.thread("worker", [&t] { t.run(); });
      for (auto const* name : {"first", "second"}) s.thread(name, [&t] { t.cancel(); });
      s.finally([&] { s.check(t.was_cancelled(), "the task passed a closed gate"); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("cancellation: every schedule") { explored::run("cancellation"); }
