// SPDX-License-Identifier: BSL-1.0
//
// A spawned task beside those who cancel it: alone, by its future, or with all of its executor; beside its wake, its
// end, its moves between scopes, and the end of its executor.
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/sync/event.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <cstdint>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::cancellation;
using concur::future;
using concur::spawn;
using concur::task;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;
using sharing = concur::cancellation::sharing;

// What posters touch: it outlives the executor.
class inbox {
 public:
  void push(concur::work& item) noexcept {
    concur::work* newest = newest_.load(std::memory_order_relaxed);
    do {
      item.set_next(newest);
    } while (!newest_.compare_exchange_weak(newest, &item, std::memory_order_release, std::memory_order_relaxed));
    bell_.fetch_add(1, std::memory_order_release);
    concur::os::futex_wake(&bell_);
  }

  /// Runs what is there, in order, or waits for more.
  void run_or_wait() {
    auto const heard = bell_.load(std::memory_order_acquire);
    if (!run_ready()) concur::os::futex_wait(bell_, heard);
  }
  bool run_ready() {
    concur::work* chain = newest_.exchange(nullptr, std::memory_order_acquire);
    concur::work* oldest = nullptr;
    bool const any = chain != nullptr;
    while (chain != nullptr) {
      concur::work* const next = chain->next();
      chain->set_next(oldest);
      oldest = std::exchange(chain, next);
    }
    while (oldest != nullptr) std::exchange(oldest, oldest->next())->run();
    return any;
  }

 private:
  concur::os::atomic<concur::work*> newest_{nullptr};
  concur::os::atomic<std::uint32_t> bell_{0};
};

// One thread runs its items. It has a scope, which belongs to that thread or to many, and one timer, which is
// posted by whoever runs the clock.
class small_executor final : public concur::executor {
 public:
  explicit small_executor(sharing use, inbox* items) noexcept : scope_(use), use_(use), items_(*items) {}

  void post(concur::work& item) noexcept override { items_.push(item); }
  void arm(concur::work& item, concur::time_point) override {
    timer_.set(&item);
    armed_.store(1, std::memory_order_release);
  }
  bool disarm(concur::work&) noexcept override {
    std::uint32_t armed = 1;
    return armed_.compare_exchange_strong(armed, 0, std::memory_order_relaxed, std::memory_order_relaxed);
  }
  cancellation& tasks() noexcept override { return scope_; }
  bool is_elsewhere() const noexcept override { return use_ == sharing::one_thread && !is_own_thread(); }
  bool is_own_thread() const noexcept override {
    static_cast<void>(alive_.get());  // nobody may ask an executor that is gone
    return concur::current_executor() == this;
  }
  void task_ended() noexcept override { ended_.add(); }

  // Until its only task has ended, and what was posted for that one has run.
  void run() {
    concur::executor_scope const here(*this);
    while (ended_.get() == 0) items_.run_or_wait();
    items_.run_ready();
  }
  // The timer is due now, or never.
  void run_clock() {
    std::uint32_t armed = 1;
    // acquire: the item.
    if (armed_.compare_exchange_strong(armed, 0, std::memory_order_acquire, std::memory_order_relaxed)) {
      post(*timer_.get());
    }
  }

 private:
  cancellation scope_;
  sharing const use_;
  concur::os::plain<int> alive_{1};
  inbox& items_;
  concur::os::plain<concur::work*> timer_;
  concur::os::atomic<std::uint32_t> armed_{0};
  counted ended_;
};

struct state {
  explicit state(sharing use) : where(use, &items) {}
  inbox items;
  explored::destructible<small_executor> where;
  concur::event go;
  counted passed;
  future<void> f;
};

task<> pass(state& st) {
  int const one = 1;
  co_await st.go.async_wait();
  st.passed.add(one);
}

task<> sleep(state& st) {
  int const one = 1;
  co_await concur::sleep_for(1h);
  st.passed.add(one);
}

task<> end_at_once(state& st) {
  st.passed.add();
  co_return;
}

// Into a scope of its own, and out of it again.
task<> move_and_pass(state& st) {
  concur::cancellable& me = *concur::current_task();
  cancellation& outer = me.scope();
  cancellation inner(outer);
  me.move_to_scope(inner);
  bool stopped = false;
  try {
    co_await st.go.async_wait();
  } catch (concur::cancelled const&) {
    stopped = true;
  }
  me.move_to_scope(outer);
  if (stopped) throw concur::cancelled();
  st.passed.add();
}

state& started(scenario& s, sharing use, task<> (*body)(state&)) {
  auto& st = s.make<state>(use);
  st.f = spawn(*st.where, body(st));
  s.thread("worker", [&st] {
    st.where->run();
    st.where.destroy();  // who waits for the end of its tasks may do so, whoever still cancels them
  });
  return st;
}

// On the executor's own thread, between two steps of the task, or before it begins.
class cancel_here final : public concur::work {
 public:
  explicit cancel_here(state& st) noexcept : work(&cancel), st_(st) {}

 private:
  static void cancel(work& self) noexcept { static_cast<void>(static_cast<cancel_here&>(self).st_.f.cancel()); }
  state& st_;
};

bool was_cancelled(state& st) { return st.f.done() && st.f.error() != nullptr; }

void check_one_of_both(state& st) {
  check(st.f.done(), "it has not ended");
  check((st.passed.get() == 1) != was_cancelled(st), "neither passed nor cancelled, or both");
}

// The suite of one kind of executor.
template <sharing Use>
struct suite {
  static constexpr char const* with(char const* many, char const* one) {
    return Use == sharing::many_threads ? many : one;
  }

  // Nobody opens the gate: a cancel that is lost leaves the worker asleep for ever.
  twice alone{"spawned", with("a cancel alone", "a message alone"), [](scenario& s) {
                auto& st = started(s, Use, &pass);
                s.thread("canceller", [&st] { check(st.f.cancel(), "the cancel came too late"); });
                s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it passed a closed gate"); });
              }};

  twice beside_wake{"spawned", with("a cancel beside a wake", "a message beside a wake"),
                    [](scenario& s) {
                      auto& st = started(s, Use, &pass);
                      s.thread("waker", [&st] { st.go.set(); });
                      s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
                      s.finally([&] { check_one_of_both(st); });
                    },
                    explored::schedules_of_three()};

  twice beside_end{"spawned",
                   with("a cancel beside the end of task and pool", "a message beside the end of task and loop"),
                   [](scenario& s) {
                     auto& st = started(s, Use, &end_at_once);
                     s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
                     s.finally([&] { check_one_of_both(st); });
                   }};

  twice beside_moves{"spawned", with("a cancel beside moves between scopes", "a message beside moves between scopes"),
                     [](scenario& s) {
                       auto& st = started(s, Use, &move_and_pass);
                       s.thread("canceller", [&st] {
                         st.go.set();
                         static_cast<void>(st.f.cancel());
                       });
                       s.finally([&] { check_one_of_both(st); });
                     }};

  twice beside_sleep{"spawned", with("a cancel beside a sleep", "a message beside a sleep"), [](scenario& s) {
                       auto& st = started(s, Use, &sleep);
                       s.thread("canceller", [&st] { check(st.f.cancel(), "the cancel came too late"); });
                       s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it slept an hour"); });
                     }};

  twice from_both_sides{
      "spawned", with("a cancel here and elsewhere", "a cancel here and a message"), [](scenario& s) {
        auto& st = s.make<state>(Use);
        st.f = spawn(*st.where, pass(st));
        st.where->post(s.make<cancel_here>(st));
        s.thread("worker", [&st] { st.where->run(); });
        s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
        s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it passed a closed gate"); });
      }};
};
suite<sharing::many_threads> const on_many;
suite<sharing::one_thread> const on_one;

twice const wait_beside_end("spawned", "a thread that waits beside the end of task and executor", [](scenario& s) {
  auto& st = started(s, sharing::many_threads, &end_at_once);
  s.thread("waiter", [&st] { st.f.wait(); });
  s.finally([&] { check(st.passed.get() == 1, "it has not run"); });
});

twice const in_and_out("spawned", "a cancel alone while the task stands in a scope of its own", [](scenario& s) {
  auto& st = started(s, sharing::many_threads, &move_and_pass);
  s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
  s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it passed a closed gate"); });
});

twice const beside_scope(
    "spawned", "a cancel of the future beside a cancel of all",
    [](scenario& s) {
      auto& st = s.make<state>(sharing::many_threads);
      st.f = spawn(*st.where, pass(st));
      s.thread("worker", [&st] { st.where->run(); });
      s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
      s.thread("closer", [&st] { st.where->tasks().cancel(); });
      s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it passed a closed gate"); });
    },
    explored::schedules_of_three());

twice const scope_beside_moves("spawned", "a cancel of all beside moves between scopes", [](scenario& s) {
  auto& st = s.make<state>(sharing::many_threads);
  st.f = spawn(*st.where, move_and_pass(st));
  s.thread("worker", [&st] { st.where->run(); });
  s.thread("closer", [&st] { st.where->tasks().cancel(); });
  s.finally([&] { check(was_cancelled(st) && st.passed.get() == 0, "it passed a closed gate"); });
});

// The timer fires on another thread, beside the arming and beside the cancel.
twice const beside_clock(
    "spawned", "a cancel beside the clock",
    [](scenario& s) {
      auto& st = s.make<state>(sharing::many_threads);
      st.f = spawn(*st.where, sleep(st));
      s.thread("worker", [&st] { st.where->run(); });
      s.thread("canceller", [&st] { static_cast<void>(st.f.cancel()); });
      s.thread("clock", [&st] { st.where->run_clock(); });
      s.finally([&] { check_one_of_both(st); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("spawned: every schedule") { explored::run("spawned"); }
