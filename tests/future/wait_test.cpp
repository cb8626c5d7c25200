// SPDX-License-Identifier: BSL-1.0
#include <concur/future/wait.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/future/as_completed.hpp>
#include <concur/future/gather.hpp>
#include <concur/pool/thread_pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::all_completed;
using concur::first_completed;
using concur::first_error;
using concur::future;
using concur::promise;
using concur::return_when;
using support::counted_unhandled_errors;
using support::numbered_error;
using support::queue_executor;
using support::foreign_coroutine;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constexpr auto long_enough = 1h;  // never passes here

struct several {
  explicit several(std::size_t count) : promises(count) {
    for (auto& each : promises) futures.push_back(each.get_future());
  }
  std::vector<promise<int>> promises;
  std::vector<future<int>> futures;
};

test_task<std::size_t> count_done(std::vector<future<int>>& futures, return_when when) {
  std::size_t const none = 0;
  auto waiting = concur::wait(futures, when);
  auto const found = co_await waiting;
  co_return none + found.done.size();
}

struct counts {
  std::size_t done, pending;
  bool operator==(counts const&) const = default;
};

test_task<counts> count_within(std::vector<future<int>>& futures, return_when when, std::chrono::nanoseconds limit) {
  std::size_t const none = 0;
  auto const [done, pending] = co_await concur::wait(futures, when, limit);
  co_return counts{none + done.size(), pending.size()};
}

// Counts the timers of tasks that run on another executor.
class watched final : public concur::executor {
 public:
  explicit watched(concur::executor& real) : real_(real) {}

  void post(concur::work& item) noexcept override { real_.post(item); }
  void arm(concur::work& item, concur::time_point when) override {
    if (no_memory) throw std::bad_alloc();
    real_.arm(item, when);
    ++armed;
  }
  bool disarm(concur::work& item) noexcept override {
    bool const in_time = real_.disarm(item);
    if (in_time) ++disarmed;
    return in_time;
  }

  bool no_memory = false;
  std::atomic<int> armed{0};
  std::atomic<int> disarmed{0};  // in time

 private:
  concur::executor& real_;
};

// Each kind of executor that can wait for a limit.
enum class kind { queue, two_threads, pool };

class place {
 public:
  explicit place(kind which) {
    if (which == kind::queue) queue_.emplace();
    if (which == kind::two_threads) threads_.emplace(2u);
    if (which == kind::pool) pool_.emplace(std::size_t{2});
    watched_.emplace(real());
  }
  watched& where() { return *watched_; }

  template <class T>
  void run_until_done(root_task<T> const& task) {
    if (queue_) queue_->run_until([&] { return task.done(); });
    task.wait_until_done();
  }

 private:
  concur::executor& real() {
    if (queue_) return *queue_;
    if (threads_) return *threads_;
    return *pool_;
  }

  std::optional<queue_executor> queue_;
  std::optional<threads_executor> threads_;
  std::optional<concur::thread_pool> pool_;
  std::optional<watched> watched_;
};

kind any_kind() { return GENERATE(kind::queue, kind::two_threads, kind::pool); }

foreign_coroutine count_foreign(std::vector<future<int>>& futures, std::chrono::nanoseconds limit, counts& found) {
  auto waiting = concur::wait(futures, first_completed, limit);
  auto const [done, pending] = co_await waiting;
  found = {done.size(), pending.size()};
}

// So that what follows comes sooner or later than a limit; nothing depends on which.
void pass_time(std::chrono::microseconds length) {
  auto const until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
  }
}

}  // namespace

TEST_CASE("wait: the first that is done ends it, and the rest are left as they are", "[future]") {
  several s(3);
  s.promises[1].set_value(5);
  auto const [done, pending] = concur::wait(s.futures, first_completed).get();
  REQUIRE(done.size() == 1);
  CHECK(done[0] == &s.futures[1]);
  CHECK(done[0]->get() == 5);
  REQUIRE(pending.size() == 2);
  CHECK(pending[0] == &s.futures[0]);
  CHECK(pending[1] == &s.futures[2]);
  for (std::size_t i : {0u, 2u}) {
    CHECK_FALSE(s.promises[i].cancelled());
    s.promises[i].set_value(int(i));
    CHECK(s.futures[i].get() == int(i));
  }
}

TEST_CASE("wait: the first error ends it, also a cancel; values do not", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  bool const by_cancel = GENERATE(false, true);
  several s(3);
  std::thread producer([&] {
    s.promises[0].set_value(1);
    if (by_cancel) {
      s.futures[2].cancel();
    } else {
      s.promises[2].set_error(numbered_error{2});
    }
  });
  auto const [done, pending] = concur::wait(s.futures, first_error).get();
  producer.join();
  REQUIRE(done.size() == 2);
  REQUIRE(pending.size() == 1);
  CHECK(pending[0] == &s.futures[1]);
  CHECK(s.futures[2].error() != nullptr);
  several all_well(2);
  for (auto& each : all_well.promises) each.set_value(1);
  CHECK(concur::wait(all_well.futures, first_error).get().done.size() == 2);
}

TEST_CASE("wait: for all of them, and for none", "[future]") {
  several s(4);
  std::thread producer([&] {
    for (auto& each : s.promises) each.set_value(1);
  });
  auto const [done, pending] = concur::wait(s.futures).get();
  CHECK(done.size() == 4);
  CHECK(pending.empty());
  producer.join();
  std::vector<future<int>> nothing;
  for (auto const when : {first_completed, first_error, all_completed}) {
    CHECK(concur::wait(nothing, when).get().done.empty());
  }
}

TEST_CASE("wait: a limit ends it with what is done by then", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  several s(2);
  s.promises[0].set_value(1);
  for (auto const limit : {0ms, 2ms}) {
    auto const [done, pending] = concur::wait(s.futures, all_completed, limit).get();
    CHECK(done.size() == 1);
    CHECK(pending.size() == 1);
  }
  CHECK(concur::wait(s.futures, first_completed, 0ms).get().done.size() == 1);
  CHECK(concur::wait(s.futures, first_completed, std::chrono::hours::max()).get().done.size() == 1);
}

TEST_CASE("wait: limits and moments of every kind", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  several never(1);
  auto const within = [](std::vector<future<int>>& futures, auto const& limit) {
    return concur::wait(futures, all_completed, limit).get().pending.empty();
  };
  support::check_limits_in_vain([&](auto const& length) { return within(never.futures, length); },
                                [&](auto const& moment) { return within(never.futures, moment); });
  std::optional<several> s;
  auto const length_in_time = [&](auto const& length) { return within(s->futures, length); };
  auto const moment_in_time = [&](auto const& moment) { return within(s->futures, moment); };
  support::check_limits_in_time(
      length_in_time, moment_in_time, [&] { s.emplace(2); },
      [&] {
        for (auto& each : s->promises) each.set_value(1);
      });
  support::check_limits_at_once(length_in_time, moment_in_time, [] {});
}

TEST_CASE("wait: a task waits until a moment", "[future]") {
  queue_executor here;
  auto const count_until = [](std::vector<future<int>>& futures, auto moment) -> test_task<counts> {
    std::size_t const none = 0;
    auto const [done, pending] = co_await concur::wait(futures, all_completed, moment);
    co_return counts{none + done.size(), pending.size()};
  };
  several s(2);
  s.promises[0].set_value(1);
  auto const in_vain = [&](char const* what, auto moment) {
    INFO(what);
    auto const task = spawn(here, count_until(s.futures, moment));
    here.run_until([&] { return task->done(); });
    CHECK(task->result() == counts{1, 1});
  };
  support::for_each_past_moment(in_vain);
  in_vain("steady, 2 ms", std::chrono::steady_clock::now() + 2ms);
  in_vain("system, 2 ms", std::chrono::system_clock::now() + 2ms);
  support::for_each_endless_moment([&](char const* what, auto moment) {
    INFO(what);
    several more(1);
    auto const task = spawn(here, count_until(more.futures, moment));
    here.run_ready();
    CHECK_FALSE(task->done());
    more.promises[0].set_value(1);
    here.run_until([&] { return task->done(); });
    CHECK(task->result() == counts{1, 0});
  });
  s.promises[1].set_value(1);
}

TEST_CASE("wait: a stop ends it, and it may be tried again", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  several s(2);
  auto waiting = concur::wait(s.futures);
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  CHECK_FALSE(waiting.get(source.get_token()).has_value());
  stopper.join();
  for (auto& each : s.promises) each.set_value(1);
  auto const found = waiting.get(source.get_token());
  REQUIRE(found.has_value());
  CHECK(found->done.size() == 2);
}

TEST_CASE("wait: of shared futures, of an array, and of one without a state", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  promise<int> p;
  std::array<concur::shared_future<int>, 2> all{p.get_future().share(), support::ready_future<int>(1).share()};
  CHECK(concur::wait(all, first_completed).get().done.size() == 1);
  std::vector<future<int>> bad(1);
  CHECK_THROWS_AS(concur::wait(bad), concur::misuse);
}

TEST_CASE("wait: a task waits, and its cancel ends the wait only", "[future]") {
  queue_executor here;
  several s(3);
  auto const first = spawn(here, count_done(s.futures, first_completed));
  auto const all = spawn(here, count_done(s.futures, all_completed));
  auto const given_up = spawn(here, count_done(s.futures, all_completed));
  auto const refused = spawn(here, count_done(s.futures, all_completed));
  refused->cancel();
  here.run_ready();
  CHECK(refused->was_cancelled());
  CHECK_FALSE(first->done());
  s.promises[2].set_value(1);
  here.run_until([&] { return first->done(); });
  CHECK(first->result() == 1);
  given_up->cancel();
  here.run_until([&] { return given_up->done(); });
  CHECK(given_up->was_cancelled());
  CHECK_FALSE(s.promises[0].cancelled());
  CHECK_FALSE(all->done());
  s.promises[0].set_value(1);
  s.promises[1].set_value(1);
  here.run_until([&] { return all->done(); });
  CHECK(all->result() == 3);
}

TEST_CASE("wait: in a callback of one of the futures it is misuse", "[future]") {
  several s(2);
  bool refused = false;
  s.futures[0].on_done([&](concur::outcome<int> const&) {
    try {
      (void)concur::wait(s.futures).get();
    } catch (concur::misuse const&) {
      refused = true;
    }
  });
  s.promises[1].set_value(1);
  s.promises[0].set_value(1);
  CHECK(refused);
}

TEST_CASE("wait: given up while others complete, many times", "[future]") {
  int const times = rounds(5'000);
  std::atomic<int> wrong{0};
  for (int i = 0; i < times; ++i) {
    several s(4);
    support::hammer crowd;
    crowd.add([&] {
      for (auto& each : s.promises) each.set_value(1);
    });
    crowd.add([&] {
      auto const limit = std::chrono::microseconds(i % 20);
      auto const found = concur::wait(s.futures, i % 2 == 0 ? all_completed : first_completed, limit).get();
      if (found.done.size() + found.pending.size() != 4) ++wrong;
      for (auto& each : s.futures) {
        if (each.get() != 1) ++wrong;
      }
    });
    crowd.run();
  }
  CHECK(wrong.load() == 0);
}

TEST_CASE("wait: a task with a limit that has passed looks once", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  queue_executor here;
  watched where(here);
  several s(3);
  s.promises[1].set_value(1);
  for (auto const limit : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
    auto const all = spawn(where, count_within(s.futures, all_completed, limit));
    auto const first = spawn(where, count_within(s.futures, first_completed, limit));
    CHECK(here.run_ready() == 2);
    REQUIRE(all->done());
    CHECK(all->result() == counts{1, 2});
    REQUIRE(first->done());
    CHECK(first->result() == counts{1, 2});
  }
  CHECK(where.armed == 0);
}

TEST_CASE("wait: a task whose limit never comes arms no timer", "[future]") {
  queue_executor here;
  watched where(here);
  several s(2);
  auto const task = spawn(where, count_within(s.futures, all_completed, std::chrono::nanoseconds::max()));
  here.run_ready();
  CHECK_FALSE(task->done());
  for (auto& each : s.promises) each.set_value(1);
  here.run_until([&] { return task->done(); });
  CHECK(task->result() == counts{2, 0});
  CHECK(where.armed == 0);
}

TEST_CASE("wait: a task that needs not wait arms no timer", "[future]") {
  queue_executor here;
  watched where(here);
  several s(1);
  s.promises[0].set_value(1);
  auto const task = spawn(where, count_within(s.futures, all_completed, long_enough));
  here.run_ready();
  REQUIRE(task->done());
  CHECK(task->result() == counts{1, 0});
  std::vector<future<int>> nothing;
  auto const idle = spawn(where, count_within(nothing, first_completed, long_enough));
  here.run_ready();
  REQUIRE(idle->done());
  CHECK(idle->result() == counts{0, 0});
  CHECK(where.armed == 0);
}

TEST_CASE("wait: a task that is served before its limit takes its timer back", "[future]") {
  place at(any_kind());
  several s(3);
  auto const task = spawn(at.where(), count_within(s.futures, all_completed, long_enough));
  std::thread producer([&] {
    for (auto& each : s.promises) each.set_value(1);
  });
  at.run_until_done(*task);
  producer.join();
  CHECK(task->result() == counts{3, 0});
  CHECK(at.where().disarmed == at.where().armed);
  for (auto& each : s.futures) CHECK(each.get() == 1);
}

TEST_CASE("wait: a task whose limit passes leaves the futures as they are", "[future]") {
  place at(any_kind());
  several s(2);
  for (int i = 0; i < 3; ++i) {
    auto const task = spawn(at.where(), count_within(s.futures, first_completed, 1ms));
    at.run_until_done(*task);
    CHECK(task->result() == counts{0, 2});
  }
  CHECK(at.where().disarmed == 0);
  auto const again = spawn(at.where(), count_within(s.futures, all_completed, long_enough));
  for (auto const& each : s.promises) CHECK_FALSE(each.cancelled());
  std::thread producer([&] {
    for (auto& each : s.promises) each.set_value(1);
  });
  at.run_until_done(*again);
  producer.join();
  CHECK(again->result() == counts{2, 0});
}

TEST_CASE("wait: a cancel ends a task's wait with a limit, and takes the timer back", "[future]") {
  place at(any_kind());
  bool const at_once = GENERATE(false, true);
  several s(2);
  s.promises[0].set_value(1);
  root_task<counts> task(at.where(), count_within(s.futures, all_completed, long_enough));
  if (at_once) task.cancel();
  task.start();
  std::thread canceller([&] { task.cancel(); });
  at.run_until_done(task);
  canceller.join();
  CHECK(task.was_cancelled());
  CHECK(at.where().disarmed == at.where().armed);
  CHECK_FALSE(s.promises[1].cancelled());
  s.promises[1].set_value(1);
  for (auto& each : s.futures) CHECK(each.get() == 1);
}

TEST_CASE("wait: a task that has been cancelled does not even look", "[future]") {
  queue_executor here;
  several s(1);
  s.promises[0].set_value(1);
  root_task<counts> task(here, count_within(s.futures, all_completed, 0ns));
  task.cancel();
  task.start();
  here.run_ready();
  REQUIRE(task.done());
  CHECK(task.was_cancelled());
}

TEST_CASE("wait: no memory for a task's timer", "[future]") {
  queue_executor here;
  watched where(here);
  where.no_memory = true;
  several s(2);
  auto const task = spawn(where, count_within(s.futures, all_completed, long_enough));
  here.run_ready();
  REQUIRE(task->done());
  CHECK_THROWS_AS(task->result(), std::bad_alloc);
  for (auto& each : s.promises) each.set_value(1);
  for (auto& each : s.futures) CHECK(each.get() == 1);
}

TEST_CASE("wait: a limit and a completion at the same time", "[future]") {
  queue_executor here;
  several s(2);
  auto const task = spawn(here, count_within(s.futures, all_completed, 1ms));
  here.run_ready();
  // The limit passes, and nobody looks.
  for (auto const passed = std::chrono::steady_clock::now() + 1ms; std::chrono::steady_clock::now() <= passed;) {
  }
  for (auto& each : s.promises) each.set_value(1);
  here.run_until([&] { return task->done(); });
  CHECK(task->result() == counts{2, 0});
}

TEST_CASE("wait: a wait with a limit is awaited again, and then by a thread", "[future]") {
  queue_executor here;
  several s(2);
  auto const await_twice = [](std::vector<future<int>>& futures) -> test_task<std::size_t> {
    std::size_t total = 0;
    auto waiting = concur::wait(futures, all_completed, 1ms);
    for (int i = 0; i < 2; ++i) {
      auto const found = co_await waiting;
      total += found.pending.size();
    }
    auto const found = waiting.get();
    co_return total + found.pending.size();
  };
  auto const task = spawn(here, await_twice(s.futures));
  here.run_until([&] { return task->done(); });
  CHECK(task->result() == 6);
  for (auto& each : s.promises) each.set_value(1);
}

TEST_CASE("wait: a foreign coroutine waits with a limit on the executor of its thread", "[future]") {
  queue_executor here;
  several s(2);
  concur::executor_scope const on_this_thread(here);
  for (auto const limit : {0ns, std::chrono::nanoseconds(1ms)}) {
    counts found{9, 9};
    auto const unserved = count_foreign(s.futures, limit, found);
    here.run_until([&] { return unserved.done(); });
    unserved.rethrow_error();
    CHECK(found == counts{0, 2});
  }
  counts found{9, 9};
  auto const served = count_foreign(s.futures, long_enough, found);
  CHECK_FALSE(served.done());
  s.promises[1].set_value(1);
  here.run_until([&] { return served.done(); });
  served.rethrow_error();
  CHECK(found == counts{1, 1});
  s.promises[0].set_value(1);
}

// Two threads complete, one of them cancels before, meanwhile or afterwards, and the limit passes.
TEST_CASE("wait: tasks whose limit passes while others complete and cancel, many times", "[future]") {
  place at(any_kind());
  int const times = rounds(1'000);
  int served = 0, unserved = 0, cancelled = 0, wrong = 0;
  for (int i = 0; i < times; ++i) {
    several s(4);
    bool const all = i % 2 == 0;
    auto const limit = std::chrono::microseconds(i % 16);
    root_task<counts> task(at.where(), count_within(s.futures, all ? all_completed : first_completed, limit));
    support::hammer crowd;
    crowd.add([&] {
      task.start();
      pass_time(std::chrono::microseconds(i % 23));
      s.promises[0].set_value(1);
      s.promises[1].set_value(1);
    });
    crowd.add([&] {
      pass_time(std::chrono::microseconds(i % 29));
      if (i % 5 == 1) task.cancel();
      s.promises[2].set_value(1);
      if (i % 5 == 2) task.cancel();
      s.promises[3].set_value(1);
      if (i % 5 == 3) task.cancel();
    });
    crowd.add([&] { at.run_until_done(task); });
    crowd.run();
    if (task.was_cancelled()) {
      ++cancelled;
      if (i % 5 == 0 || i % 5 == 4) ++wrong;
    } else {
      auto const found = task.result();
      ++((all ? found.done == 4 : found.done != 0) ? served : unserved);
      if (found.done + found.pending != 4) ++wrong;
    }
    for (auto& each : s.futures) {
      if (each.get() != 1) ++wrong;
    }
  }
  CAPTURE(served, unserved, cancelled);
  CHECK(wrong == 0);
  CHECK(served + unserved + cancelled == times);
  CHECK(at.where().disarmed <= at.where().armed);
}

TEST_CASE("several futures: whatever allocation fails, they are as before", "[future]") {
  if (!support::failing_new::available()) return;
  using futures = std::vector<future<int>>;
  auto const each = [](auto look) {
    for (int k = 1;; ++k) {
      INFO("allocation " << k);
      std::array<promise<int>, 3> promises;
      futures all;
      for (auto& one : promises) all.push_back(one.get_future());
      for (auto& one : promises) one.set_value(5);
      bool refused = false;
      bool happened = false;
      {
        support::failing_new const shortage(k);
        try {
          look(all);
        } catch (std::bad_alloc const&) {
          refused = true;
        }
        happened = shortage.happened();
      }
      CHECK(refused == happened);
      for (auto& one : all) CHECK(one.get() == 5);
      if (!happened) return k - 1;
    }
  };
  CHECK(each([](futures& all) { static_cast<void>(concur::wait(all).get()); }) >= 3);
  CHECK(each([](futures& all) { static_cast<void>(concur::wait(all, first_completed, 1h).get()); }) >= 3);
  CHECK(each([](futures& all) {
          auto completed = concur::as_completed(all);
          while (completed.wait_next() != nullptr) continue;
        }) >= 2);
  // The blocks of promises are recycled: there may be one at hand.
  static_cast<void>(each([](futures& all) {
    promise<int> again;
    auto shared = std::move(all[0]).share();
    all[0] = again.get_future();
    again.set_value(shared.get());
  }));
}

TEST_CASE("gather: whatever allocation fails, nothing is left behind", "[future]") {
  if (!support::failing_new::available()) return;
  counted_unhandled_errors const hook;
  for (bool const collects : {false, true}) {
    for (int k = 1;; ++k) {
      INFO("allocation " << k);
      std::array<promise<support::counted_value>, 2> promises;
      std::vector<future<support::counted_value>> all;
      for (auto& one : promises) all.push_back(one.get_future());
      for (auto& one : promises) one.set_value(1);
      bool refused = false;
      bool happened = false;
      std::size_t count = 0;
      {
        support::failing_new const shortage(k);
        try {
          count = collects ? concur::gather(concur::collect_outcomes, std::move(all)).get().size()
                           : concur::gather(std::move(all)).get().size();
        } catch (std::bad_alloc const&) {
          refused = true;
        }
        happened = shortage.happened();
      }
      CHECK(refused == happened);
      CHECK(count == (refused ? 0 : 2));
      all.clear();
      if (!happened) {
        CHECK(k > 2);
        break;
      }
    }
    CHECK(support::counted_value::alive() == 0);
  }
}
