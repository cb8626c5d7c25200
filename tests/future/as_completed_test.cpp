// SPDX-License-Identifier: BSL-1.0
#include <concur/future/as_completed.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>

#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::as_completed;
using concur::future;
using concur::promise;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;

struct several {
  explicit several(std::size_t count) : promises(count) {
    for (auto& each : promises) futures.push_back(each.get_future());
  }
  std::vector<promise<int>> promises;
  std::vector<future<int>> futures;
};

static_assert(std::input_iterator<concur::completions<future<int>>::iterator>);
static_assert(std::input_iterator<concur::limited_completions<future<int>>::iterator>);

test_task<std::vector<int>> in_order(std::vector<future<int>>& futures) {
  std::vector<int> seen;
  auto c = as_completed(futures);
  while (auto* f = co_await c.next()) seen.push_back(f->get());
  co_return seen;
}

test_task<> until_cancelled(concur::completions<future<int>>& c, std::vector<int>& seen) {
  while (auto* f = co_await c.next()) seen.push_back(f->get());
}

/// Counts how often it is told that a thread blocks for it.
class told_job final : public concur::future_state_with_room<int> {
 public:
  explicit told_job(int& times) : future_state_with_room(2), told_(times) {}
  void about_to_block(concur::wait_limit const&) override { ++told_; }

 private:
  int& told_;
};

}  // namespace

TEST_CASE("as_completed: each is told once that a thread blocks for it, however often that waits", "[future]") {
  constexpr int count = 100;
  constexpr int waits = 50;
  int told = 0;
  std::vector<told_job*> jobs;
  std::vector<future<int>> futures;
  for (int i = 0; i < count; ++i) {
    jobs.push_back(new told_job(told));
    futures.emplace_back(concur::adopt_state, *jobs.back());
  }
  auto c = as_completed(futures);
  CHECK_FALSE(c.wait_next_for(1ms));
  for (int i = 0; i < waits; ++i) CHECK_FALSE(c.wait_next_for(1us));
  // The one that is told when the limit passes is told again.
  CHECK(told <= count + waits + 1);
  // Another thread may be one that can do something for them.
  told = 0;
  std::thread([&] { CHECK_FALSE(c.wait_next_for(1us)); }).join();
  CHECK(told > 0);
  for (int i = 0; i < count; ++i) {
    jobs[std::size_t(i)]->complete_value(i);
    jobs[std::size_t(i)]->drop_reference();
    CHECK(c.wait_next() == &futures[std::size_t(i)]);
  }
}

TEST_CASE("as_completed: every future once, in the order in which they are done", "[future]") {
  several s(4);
  s.promises[2].set_value(2);
  auto c = as_completed(s.futures);
  s.promises[3].set_value(3);
  std::vector<int> seen;
  std::thread producer;
  for (auto& f : c) {
    seen.push_back(f.get());
    if (seen.size() == 2) {
      producer = std::thread([&] {
        s.promises[0].set_value(0);
        s.promises[1].set_value(1);
      });
    }
  }
  producer.join();
  CHECK(seen == std::vector<int>{2, 3, 0, 1});
  CHECK(c.wait_next() == nullptr);
  CHECK(c.begin() == c.end());
}

TEST_CASE("as_completed: of nothing, of shared futures, of one without a state", "[future]") {
  std::vector<future<int>> nothing;
  CHECK(as_completed(nothing).wait_next() == nullptr);
  std::vector<concur::shared_future<int>> shared{support::ready_future<int>(4).share()};
  for (auto& f : as_completed(shared)) CHECK(f.get() == 4);
  std::vector<future<int>> bad(1);
  CHECK_THROWS_AS(as_completed(bad), concur::misuse);
}

TEST_CASE("as_completed: left early, the rest are as they were", "[future]") {
  several s(2);
  s.promises[1].set_value(1);
  for (auto& f : as_completed(s.futures)) {
    CHECK(f.get() == 1);
    break;
  }
  CHECK_FALSE(s.promises[0].cancelled());
  s.promises[0].set_value(5);
  CHECK(s.futures[0].get() == 5);
}

TEST_CASE("as_completed: a task goes through them", "[future]") {
  queue_executor here;
  several s(3);
  auto const root = spawn(here, in_order(s.futures));
  for (std::size_t const i : {1u, 0u, 2u}) {
    here.run_ready();
    s.promises[i].set_value(int(i));
  }
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == std::vector<int>{1, 0, 2});
}

TEST_CASE("as_completed: a cancel ends the wait, and nothing is skipped", "[future]") {
  queue_executor here;
  several s(3);
  auto c = as_completed(s.futures);
  std::vector<int> seen;
  auto const first = spawn(here, until_cancelled(c, seen));
  s.promises[0].set_value(0);
  here.run_ready();
  first->cancel();
  s.promises[1].set_value(1);
  here.run_until([&] { return first->done(); });
  CHECK(first->was_cancelled());
  s.promises[2].set_value(2);
  auto const second = spawn(here, until_cancelled(c, seen));
  here.run_until([&] { return second->done(); });
  CHECK(seen == std::vector<int>{0, 1, 2});
}

// ---- with limits

TEST_CASE("as_completed: a limit for the next one, and nothing is skipped", "[future]") {
  support::counted_unhandled_errors const hook;  // of promises that are never kept
  several s(3);
  auto c = as_completed(s.futures);
  auto const next_for = [&](auto const& length) { return c.wait_next_for(length).has_value(); };
  auto const next_until = [&](auto const& moment) { return c.wait_next_until(moment).has_value(); };
  support::check_limits_in_vain(next_for, next_until);
  concur::os::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  CHECK_FALSE(c.wait_next(source.get_token()).has_value());
  stopper.join();
  s.promises[1].set_value(1);
  CHECK(c.wait_next_for(0s) == &s.futures[1]);
  s.promises[2].set_value(2);
  CHECK(c.wait_next_until(std::chrono::system_clock::now()) == &s.futures[2]);
  s.promises[0].set_value(0);
  CHECK(c.wait_next(source.get_token()) == &s.futures[0]);
  // After the last there is a null pointer, at once.
  support::check_limits_at_once(next_for, next_until, [] {});
  CHECK(c.wait_next_for(0s).value() == nullptr);
  CHECK(c.wait_next(source.get_token()).value() == nullptr);
}

TEST_CASE("as_completed: a limit for all of it", "[future]") {
  support::counted_unhandled_errors const hook;  // of promises that are never kept
  several s(3);
  s.promises[2].set_value(2);
  std::vector<int> seen;
  auto const through = [&](auto c) {
    try {
      for (auto& f : c) seen.push_back(int(&f - s.futures.data()));
      return true;
    } catch (concur::timed_out const&) {
      return false;
    }
  };
  CHECK_FALSE(through(as_completed(s.futures, 2ms)));
  CHECK_FALSE(through(as_completed(s.futures, 0ms)));
  CHECK_FALSE(through(as_completed(s.futures, std::chrono::steady_clock::now() + 2ms)));
  CHECK_FALSE(through(as_completed(s.futures, std::chrono::system_clock::time_point())));
  CHECK(seen == std::vector<int>(4, 2));
  auto c = as_completed(s.futures, 0s);
  CHECK(c.wait_next() == &s.futures[2]);
  CHECK_THROWS_AS(c.wait_next(), concur::timed_out);
  // It goes on with what has come later.
  s.promises[0].set_value(0);
  CHECK(c.wait_next() == &s.futures[0]);
  s.promises[1].set_value(1);
  CHECK(c.wait_next() == &s.futures[1]);
  CHECK(c.wait_next() == nullptr);
  CHECK(through(as_completed(s.futures, 0s)));
  CHECK(through(as_completed(s.futures, std::chrono::hours::max())));
  std::vector<future<int>> nothing;
  CHECK(as_completed(nothing, 0s).wait_next() == nullptr);
}

namespace {

template <class Limit>
test_task<bool> in_order_within(std::vector<future<int>>& futures, Limit limit, std::vector<int>& seen) {
  bool all = true;
  auto c = as_completed(futures, limit);
  try {
    while (auto* f = co_await c.next()) seen.push_back(f->get());
  } catch (concur::timed_out const&) {
    all = false;
  }
  co_return all;
}

}  // namespace

TEST_CASE("as_completed: a task with a limit for all of it", "[future]") {
  support::counted_unhandled_errors const hook;  // of promises that are never kept
  queue_executor here;
  for (bool const by_moment : {false, true}) {
    several s(3);
    std::vector<int> seen;
    auto const root = by_moment ? spawn(here, in_order_within(s.futures, std::chrono::steady_clock::now() + 5ms, seen))
                                : spawn(here, in_order_within(s.futures, 5ms, seen));
    here.run_ready();
    s.promises[1].set_value(1);
    here.run_ready();
    s.promises[2].set_value(2);
    here.run_until([&] { return root->done(); });
    CHECK_FALSE(root->result());
    CHECK(seen == std::vector<int>{1, 2});
    // The next one begins with what was not read.
    std::vector<future<int>> rest;
    rest.push_back(std::move(s.futures[0]));
    auto const again = spawn(here, in_order_within(rest, 1h, seen));
    here.run_ready();
    s.promises[0].set_value(0);
    here.run_until([&] { return again->done(); });
    CHECK(again->result());
    CHECK(seen == std::vector<int>{1, 2, 0});
  }
}

TEST_CASE("as_completed: a cancel ends a task's wait with a limit", "[future]") {
  support::counted_unhandled_errors const hook;  // of promises that are never kept
  queue_executor here;
  several s(2);
  std::vector<int> seen;
  auto const root = spawn(here, in_order_within(s.futures, 1h, seen));
  here.run_ready();
  s.promises[0].set_value(7);
  root->cancel();
  here.run_until([&] { return root->done(); });
  CHECK(root->was_cancelled());
  CHECK(seen == std::vector<int>{7});
  CHECK_FALSE(s.promises[1].cancelled());
}

TEST_CASE("as_completed: several producers, many times", "[future]") {
  int const times = rounds(5'000);
  std::atomic<int> wrong{0};
  for (int i = 0; i < times; ++i) {
    several s(4);
    support::hammer crowd;
    for (std::size_t who = 0; who < 2; ++who) {
      crowd.add([&, who] {
        for (std::size_t k = who; k < 4; k += 2) s.promises[k].set_value(1 << (4 * int(k)));
      });
    }
    crowd.add([&] {
      int sum = 0;
      for (auto& f : as_completed(s.futures)) sum += f.get();
      if (sum != 0x1111) ++wrong;
    });
    crowd.run();
  }
  CHECK(wrong.load() == 0);
}
