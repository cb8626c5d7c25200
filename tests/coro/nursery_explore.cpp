// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/detail/nursery.hpp>

#include "support/bounded.hpp"
#include "support/test_task.hpp"

#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace {

using concur::task;
using explored::counted;
using explored::twice;
using explored::testing::check;
using explored::testing::scenario;

// A pool of which each thread runs one task, whatever wakes it: the first one posted belongs to the first thread, and
// so on. Tasks are first posted by one thread.
class thread_for_each final : public concur::executor {
 public:
  void post(concur::work& item) noexcept override {
    slot& mine = slot_of(item);
    mine.state.store(full, std::memory_order_release);
    concur::os::futex_wake(&mine.state);
  }
  void arm(concur::work&, concur::time_point) override {}
  bool disarm(concur::work&) noexcept override { return false; }

  /// Waits until the `which`-th task is ready, and runs it; returns false when the executor is closed.
  bool run_one(std::size_t which) {
    slot& mine = slots_[which];
    std::uint32_t state = empty;
    while ((state = mine.state.exchange(empty, std::memory_order_acquire)) == empty) {
      concur::os::futex_wait(mine.state, empty);
    }
    if (state == closed) return false;
    concur::executor_scope const here(*this);
    mine.item->run();
    return true;
  }
  /// No task will become ready any more.
  void close() {
    for (slot& each : slots_) {
      each.state.store(closed, std::memory_order_release);
      concur::os::futex_wake(&each.state);
    }
  }

 private:
  enum : std::uint32_t { empty, full, closed };
  struct slot {
    concur::work* item = nullptr;  // written before the first post, then constant
    concur::os::atomic<std::uint32_t> state{empty};
  };

  slot& slot_of(concur::work& item) noexcept {
    std::size_t which = 0;
    while (slots_[which].item != nullptr && slots_[which].item != &item) ++which;
    slots_[which].item = &item;
    return slots_[which];
  }

  std::array<slot, 3> slots_;
};

// Waits until it is cancelled, in as few steps as that takes.
class endless_wait final : public concur::wait_operation {
 public:
  endless_wait() = default;
  endless_wait(endless_wait const&) = delete;
  endless_wait& operator=(endless_wait const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <concur::promise_with_context Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_ = &handle.promise().context();
    task_->suspend_in(*this, handle);
  }
  void await_resume() const { throw concur::cancelled(); }

  bool publish(concur::task_context& task) noexcept override {
    return !task.cancelled() && stage_.exchange(waiting, std::memory_order_acq_rel) != stopped;
  }
  void cancel() noexcept override {
    if (stage_.exchange(stopped, std::memory_order_acq_rel) == waiting) task_->where().post(*task_);
  }

 private:
  enum : std::uint32_t { fresh, waiting, stopped };
  concur::task_context* task_ = nullptr;
  concur::os::atomic<std::uint32_t> stage_{fresh};
};

// What the parent awaits is made by `body`, a function of this.
class state {
 public:
  explicit state(support::test_task<> (*body)(state&)) : root_(pool_, body(*this)) {}

  void run_parent() {
    root_.start();
    while (!root_.done()) pool_.run_one(0);
    pool_.close();
  }
  void run_child(std::size_t which) {
    while (pool_.run_one(which)) {
    }
  }
  void cancel() { root_.cancel(); }
  void cancel_alone() { concur::cancellation::cancel_alone(root_); }

  bool was_cancelled() const { return root_.was_cancelled(); }
  bool failed() const { return root_.failed(); }

  counted written[2];

 private:
  thread_for_each pool_;
  support::root_task<void> root_;
};

task<int> writes(counted& what) {
  what.add();
  co_return 1;
}
task<int> fails() {
  throw 5;
  co_return 0;
}
task<int> waits() {
  co_await endless_wait();
  co_return 0;
}

void three(scenario& s, support::test_task<> (*body)(state&), void (*afterwards)(state&)) {
  auto& st = s.make<state>(body);
  s.thread("parent", [&st] { st.run_parent(); });
  s.thread("child", [&st] { st.run_child(1); });
  s.thread("another", [&st] { st.run_child(2); });
  s.finally([&st, afterwards] { afterwards(st); });
}

void child_and_cancel(scenario& s, support::test_task<> (*body)(state&), void (state::*cancel)(),
                      void (*afterwards)(state&)) {
  auto& st = s.make<state>(body);
  s.thread("parent", [&st] { st.run_parent(); });
  s.thread("child", [&st] { st.run_child(1); });
  s.thread("canceller", [&st, cancel] { (st.*cancel)(); });
  s.finally([&st, afterwards] { afterwards(st); });
}

support::test_task<> gathers_two(state& st) {
  auto const [a, b] = co_await concur::gather(writes(st.written[0]), writes(st.written[1]));
  check(a + b == 2, "a wrong value");
  check(st.written[0].get() + st.written[1].get() == 2, "what a child wrote is not visible");
}

twice const last_child(
    "nursery", "the last child beside the parent's wait",
    [](scenario& s) {
      three(s, gathers_two, [](state& st) { check(!st.failed() && !st.was_cancelled(), "the parent failed"); });
    },
    explored::schedules_of_three());

// Three threads and a cancel: with three preemptions it would take minutes.
explored::testing::options with_two_preemptions() {
  auto bounds = explored::schedules_of_three();
  bounds.preemptions = 2;
  return bounds;
}

support::test_task<> gathers_failing(state&) { co_await concur::gather(fails(), waits()); }

twice const failing_child(
    "nursery", "a child that fails cancels the other",
    [](scenario& s) { three(s, gathers_failing, [](state& st) { check(st.failed(), "the error was lost"); }); },
    with_two_preemptions());

support::test_task<> gathers_waiting(state&) {
  co_await concur::gather(waits());
  check(false, "nobody set the event");
}

twice const cancelled_parent(
    "nursery", "a cancel of the parent's scope beside a child that waits",
    [](scenario& s) {
      child_and_cancel(s, gathers_waiting, &state::cancel,
                       [](state& st) { check(st.was_cancelled(), "the cancel was lost"); });
    },
    explored::schedules_of_three());

twice const cancelled_alone(
    "nursery", "a cancel of the parent alone beside a child that waits",
    [](scenario& s) {
      child_and_cancel(s, gathers_waiting, &state::cancel_alone,
                       [](state& st) { check(st.was_cancelled(), "the cancel was lost"); });
    },
    explored::schedules_of_three());

support::test_task<> gathers_one_failing(state&) { co_await concur::gather(fails()); }

twice const failing_beside_cancel(
    "nursery", "a child that fails beside a cancel of the parent's scope",
    [](scenario& s) {
      child_and_cancel(s, gathers_one_failing, &state::cancel,
                       [](state& st) { check(st.failed() || st.was_cancelled(), "error and cancel were lost"); });
    },
    explored::schedules_of_three());

twice const failing_beside_cancel_alone(
    "nursery", "a child that fails beside a cancel of the parent alone",
    [](scenario& s) {
      child_and_cancel(s, gathers_one_failing, &state::cancel_alone,
                       [](state& st) { check(st.failed() || st.was_cancelled(), "error and cancel were lost"); });
    },
    explored::schedules_of_three());

support::test_task<> gathers_one(state& st) {
  auto const [a] = co_await concur::gather(writes(st.written[0]));
  check(a == 1 && st.written[0].get() == 1, "what the child wrote is not visible");
}

twice const ending_beside_cancel(
    "nursery", "a child that ends beside a cancel of the parent alone",
    [](scenario& s) {
      child_and_cancel(s, gathers_one, &state::cancel_alone, [](state& st) {
        check(st.was_cancelled() == (st.written[0].get() == 0), "a value was lost, or a cancel");
      });
    },
    explored::schedules_of_three());

task<> spawns(concur::task_group& group, state& st) {
  group.spawn(writes(st.written[1]));
  co_return;
}

support::test_task<> opens_group(state& st) {
  auto body = [&st](concur::task_group& group) -> task<> {
    group.spawn(spawns(group, st));
    co_return;
  };
  co_await concur::with_group(body);
  check(st.written[1].get() == 1, "a sibling was lost");
}

twice const sibling(
    "nursery", "a child spawns a sibling beside the parent's wait",
    [](scenario& s) {
      three(s, opens_group, [](state& st) { check(!st.failed() && !st.was_cancelled(), "the parent failed"); });
    },
    explored::schedules_of_three());

task<> cancels(concur::task_group& group) {
  group.cancel();
  co_return;
}

support::test_task<> cancels_group(state&) {
  auto body = [](concur::task_group& group) -> task<> {
    group.spawn(cancels(group));
    co_await endless_wait();
  };
  co_await concur::with_group(body);
}

twice const group_cancelled("nursery", "a child cancels the group beside the body's wait", [](scenario& s) {
  auto& st = s.make<state>(cancels_group);
  s.thread("parent", [&st] { st.run_parent(); });
  s.thread("child", [&st] { st.run_child(1); });
  s.finally([&st] { check(!st.failed() && !st.was_cancelled(), "the cancel of the group came out"); });
});

}  // namespace

TEST_CASE("nursery: explored", "[coro]") { explored::run("nursery"); }
