// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for several futures with a limit. The timer's item runs on a thread of its own, beside the task.
#include <concur/future/detail/limited_await.hpp>

#include "support/explored_task.hpp"

#include <concur/future/as_completed.hpp>
#include <concur/future/promise.hpp>
#include <concur/future/wait.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::promise;
using explored::counted;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

// The wait is made beforehand, which saves schedules, and gone as soon as it is over.
struct awaited {
  explicit awaited(std::size_t count, concur::return_when when = concur::all_completed) : promises(count) {
    for (auto& each : promises) futures.push_back(each.get_future());
    waiting.emplace(futures, when, 1ms);
  }
  void set(std::size_t which) {
    written.add();
    promises[which].set_value(int(which));
  }
  void check_result(concur::wait_result<future<int>> const& found) {
    check(found.done.size() + found.pending.size() == futures.size(), "a future was lost");
    if (found.pending.empty()) {
      check(written.get() == int(futures.size()), "what was written before the values is not visible");
    }
    for (auto* each : found.done) check(each->get() == int(each - futures.data()), "a wrong value");
    passed.add();
  }

  std::vector<promise<int>> promises;
  std::vector<future<int>> futures;
  std::optional<concur::limited_futures_wait<future<int>>> waiting;
  counted written;  // before each value; there is one producer
  counted passed;   // by the task
};

support::test_task<> wait_limited(awaited& st) {
  counted const none;
  auto const found = co_await *st.waiting;
  st.waiting.reset();
  st.check_result(found);
}

support::test_task<> wait_on_temporary(awaited& st) {
  counted const none;
  st.check_result(co_await concur::wait(st.futures, concur::all_completed, 1ms));
}

explored::one_task& add_worker(scenario& s, awaited& st, support::test_task<> (*task)(awaited&) = wait_limited) {
  auto& t = s.make<explored::one_task>(task(st));
  s.thread("worker", [&st, &t] {
    t.run();
    t.stop_clock();
    check((st.passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
  });
  return t;
}

void limit_alone(scenario& s, support::test_task<> (*task)(awaited&)) {
  auto& st = s.make<awaited>(std::size_t{1});
  auto& t = add_worker(s, st, task);
  s.thread("clock", [&t] { t.run_clock(); });
  s.finally([&s, &st] {
    s.check(st.passed.get() == 1, "cancelled by nobody");
    st.futures[0].cancel();
  });
}

twice const alone("wait_limit", "a limit alone", [](scenario& s) { limit_alone(s, wait_limited); });
twice const temporary("wait_limit", "a limit alone, on a temporary",
                      [](scenario& s) { limit_alone(s, wait_on_temporary); });

twice const set(
    "wait_limit", "a limit beside a set",
    [](scenario& s) {
      auto& st = s.make<awaited>(std::size_t{1});
      auto& t = add_worker(s, st);
      s.thread("clock", [&t] { t.run_clock(); });
      s.thread("producer", [&st] { st.set(0); });
      s.finally([&s, &st] { s.check(st.passed.get() == 1, "cancelled by nobody"); });
    },
    explored::schedules_of_three());

twice const set_two(
    "wait_limit", "a limit beside one that sets two",
    [](scenario& s) {
      auto& st = s.make<awaited>(std::size_t{2}, concur::first_completed);
      auto& t = add_worker(s, st);
      s.thread("clock", [&t] { t.run_if_armed(); });
      s.thread("producer", [&st] { st.set(0), st.set(1); });
    },
    explored::schedules_of_three());

twice const cancelled(
    "wait_limit", "a limit beside a cancel",
    [](scenario& s) {
      auto& st = s.make<awaited>(std::size_t{1});
      auto& t = add_worker(s, st);
      s.thread("clock", [&t] { t.run_clock(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&st] { st.futures[0].cancel(); });
    },
    explored::schedules_of_three());

// On one thread, since four would be too many.
twice const set_then_limit(
    "wait_limit", "a set, then a limit, beside a cancel",
    [](scenario& s) {
      auto& st = s.make<awaited>(std::size_t{1});
      auto& t = add_worker(s, st);
      s.thread("producer", [&] { st.set(0), t.run_if_armed(); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

twice const limit_then_set(
    "wait_limit", "a limit, then a set, beside a cancel",
    [](scenario& s) {
      auto& st = s.make<awaited>(std::size_t{1});
      auto& t = add_worker(s, st);
      s.thread("producer", [&] { t.run_if_armed(), st.set(0); });
      s.thread("canceller", [&t] { t.cancel(); });
    },
    explored::schedules_of_three());

// ---- as_completed with a limit

struct all_awaited {
  all_awaited() {
    futures.push_back(kept.get_future());
    all.emplace(futures, 1ms);
  }
  promise<int> kept;
  std::vector<future<int>> futures;
  std::optional<concur::limited_completions<future<int>>> all;
  counted written;
  counted given;
  counted timed_out;
};

support::test_task<> go_through(all_awaited& st) {
  counted const none;
  try {
    while (auto* each = co_await st.all->next()) {
      check(each->get() == 7 && st.written.get() == 1, "a wrong value, or not what was written before it");
      st.given.add();
    }
  } catch (concur::timed_out const&) {
    st.timed_out.add();
  }
  st.all.reset();
}

twice const each_set(
    "wait_limit", "as_completed, a limit beside a set",
    [](scenario& s) {
      auto& st = s.make<all_awaited>();
      auto& t = s.make<explored::one_task>(go_through(st));
      s.thread("worker", [&st, &t] {
        t.run();
        t.stop_clock();
        check(st.given.get() + st.timed_out.get() == 1, "neither given out nor timed out, or both");
      });
      s.thread("clock", [&t] { t.run_clock(); });
      s.thread("producer", [&st] {
        st.written.add();
        st.kept.set_value(7);
      });
    },
    explored::schedules_of_three());

twice const each_cancelled(
    "wait_limit", "as_completed, a limit beside a cancel",
    [](scenario& s) {
      auto& st = s.make<all_awaited>();
      auto& t = s.make<explored::one_task>(go_through(st));
      s.thread("worker", [&st, &t] {
        t.run();
        t.stop_clock();
        check(t.was_cancelled() == (st.timed_out.get() == 0), "neither cancelled nor timed out, or both");
      });
      s.thread("clock", [&t] { t.run_clock(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&st] {
        st.all.reset();
        st.futures[0].cancel();
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("wait_limit: every schedule") { explored::run("wait_limit"); }
