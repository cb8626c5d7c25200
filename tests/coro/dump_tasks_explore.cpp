// SPDX-License-Identifier: BSL-1.0
//
// A report beside tasks that begin, wait, wake up and end: what it reads of a task that it sees waiting stays as it is,
// and what it reads of any other one stays there.
#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/scope_inspection.hpp>
#include <concur/core/task_context.hpp>

#include "support/explored_gate.hpp"
#include "support/explored_task.hpp"

namespace {

using concur::cancellable;
using concur::cancellation;
using concur::wait_operation;
using explored::counted;
using explored::destructible;
using explored::gate;
using explored::one_slot_executor;
using explored::testing::scenario;
using explored::twice;
using support::root_task;
using support::test_task;

test_task<> pass(gate& g) {
  int const nothing = 0;
  co_await g.async_pass();
  static_cast<void>(nothing);
}

/// One task in a scope of its own, which is gone with it, inside one that is reported.
class state {
 public:
  state() : task_(std::in_place, executor_, pass(g), outer_) {}

  void run() {
    task_->start();
    while (!task_->done()) executor_.run_one();
    task_.reset();
  }
  void report() {
    outer_.inspect([this](cancellable&, wait_operation* operation) {
      seen.add();
      if (operation == nullptr || operation == &concur::not_begun) return;
      explored::testing::check(static_cast<gate::pass_operation&>(*operation).is_whole(), "the frame was gone");
    });
  }
  void cancel() { outer_.cancel(); }

  gate g;
  counted seen;

 private:
  cancellation outer_;
  one_slot_executor executor_;
  std::optional<root_task<void>> task_;
};

twice const beside_a_wake(
    "dump_tasks", "a report beside a wake and the end",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("worker", [&st] { st.run(); });
      s.thread("waker", [&st] { st.g.open(); });
      s.thread("reporter", [&st] { st.report(); });
      s.finally([&] { s.check(st.seen.get() <= 1, "one task was seen twice"); });
    },
    explored::schedules_of_three());

// The operation is hidden while the report, which comes last, still sees it.
twice const after_a_wake("dump_tasks", "a report after a wake", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("worker", [&st] { st.run(); });
  s.thread("reporter", [&st] {
    st.g.open();
    st.report();
  });
  s.finally([&] { s.check(st.seen.get() <= 1, "one task was seen twice"); });
});

twice const beside_a_cancel(
    "dump_tasks", "a report beside a cancel",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("worker", [&st] { st.run(); });
      s.thread("canceller", [&st] { st.cancel(); });
      s.thread("reporter", [&st] { st.report(); });
      s.finally([&] { s.check(st.seen.get() <= 1, "one task was seen twice"); });
    },
    explored::schedules_of_three());

/// What a scope sees of a task, moved by hand.
class moved_task final : public cancellable {
 public:
  using cancellable::hide;
  using cancellable::show;
  ~moved_task() { constant.set(0); }
  concur::os::plain<int> constant{1};
};

// Neither the task nor the scopes that it leaves go while they are looked at.
twice const nested("dump_tasks", "scopes come and go beside a report of the one around them", [](scenario& s) {
  auto& outer = s.make<cancellation>();
  s.thread("worker", [&outer] {
    cancellation inner(outer);
    moved_task task;
    inner.add(task);
    {
      cancellation innermost(inner);
      task.move_to_scope(innermost);
      task.move_to_scope(inner);
    }
    inner.remove(task);
  });
  s.thread("reporter", [&] {
    outer.inspect([&s](cancellable& task, wait_operation*) {
      s.check(static_cast<moved_task&>(task).constant.get() == 1, "the task was gone");
    });
  });
});

twice const two_reports("dump_tasks", "two reports", [](scenario& s) {
  auto& outer = s.make<cancellation>();
  auto& seen = s.make<counted>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&outer, &seen] {
      cancellation inner(outer);
      moved_task task;
      inner.add(task);
      outer.inspect([&](cancellable&, wait_operation*) { seen.add(); });
      inner.remove(task);
    });
  }
  s.finally([&] { s.check(seen.get() >= 2, "a report does not see its own task"); });
});

}  // namespace

TEST_CASE("dump_tasks: every schedule") { explored::run("dump_tasks"); }
