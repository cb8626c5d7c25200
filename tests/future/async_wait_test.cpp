// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for the end of a future, and leaves the future as it is.
#include <concur/future/future.hpp>

#include "../support/awaited_contract.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <concur/core/errors.hpp>
#include <concur/future/promise.hpp>
#include <concur/future/shared_future.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

using concur::future;
using concur::promise;
using concur::shared_future;
using support::awaited_contract;
using support::counted_unhandled_errors;
using support::counted_value;
using support::failed_future;
using support::numbered_error;
using support::queue_executor;
using support::ready_future;
using support::rounds;
using support::spawn;
using support::test_task;

template <class Future>
test_task<> wait_for_end(Future& f, int& passed) {
  int const one = 1;
  co_await f.async_wait();
  passed += one;
}

}  // namespace

TEST_CASE("async_wait: goes on when the future is done, and the value is still there", "[future]") {
  queue_executor here;
  promise<std::unique_ptr<int>> p;
  auto f = p.get_future();
  int passed = 0;
  auto const first = spawn(here, wait_for_end(f, passed));
  auto const second = spawn(here, wait_for_end(f, passed));
  here.run_ready();
  CHECK(passed == 0);
  p.set_value(std::make_unique<int>(5));
  here.run_until([&] { return first->done() && second->done(); });
  CHECK(passed == 2);
  CHECK(f.valid());
  auto const after = spawn(here, wait_for_end(f, passed));
  here.run_ready();
  CHECK(after->done());
  CHECK(*f.get() == 5);
  // Also when it was read: done is done.
  auto const read = spawn(here, wait_for_end(f, passed));
  here.run_ready();
  CHECK(read->done());
  CHECK(passed == 4);
}

TEST_CASE("async_wait: an error is neither thrown nor counted as taken", "[future]") {
  counted_unhandled_errors const hook;
  queue_executor here;
  int passed = 0;
  {
    auto f = failed_future<int>(3);
    auto const root = spawn(here, wait_for_end(f, passed));
    here.run_ready();
    CHECK_NOTHROW(root->result());
    CHECK(hook.count() == 0);
  }
  CHECK(hook.count() == 1);
  auto read = failed_future<int>(4);
  auto const root = spawn(here, wait_for_end(read, passed));
  here.run_ready();
  CHECK(passed == 2);
  CHECK_THROWS_AS(read.get(), numbered_error);
}

TEST_CASE("async_wait: a future that is cancelled is done", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  int passed = 0;
  auto const root = spawn(here, wait_for_end(f, passed));
  here.run_ready();
  CHECK(f.cancel());
  here.run_until([&] { return root->done(); });
  CHECK_FALSE(root->was_cancelled());
  CHECK(passed == 1);
}

TEST_CASE("async_wait: of shared futures, of void, and of one without a state", "[future]") {
  queue_executor here;
  promise<void> p;
  auto const shared = p.get_future().share();
  auto const copy = shared;
  int passed = 0;
  auto const first = spawn(here, wait_for_end(shared, passed));
  auto const second = spawn(here, wait_for_end(copy, passed));
  here.run_ready();
  p.set_value();
  here.run_until([&] { return first->done() && second->done(); });
  CHECK(passed == 2);
  CHECK_THROWS_AS(future<int>().async_wait(), concur::misuse);
  CHECK_THROWS_AS(shared_future<void>().async_wait(), concur::misuse);
}

// Before, between wake and resume, and after: the cancel ends the wait only.
TEST_CASE("async_wait: a cancel at any point leaves the future alone", "[future]") {
  awaited_contract::at_every_cancel([](awaited_contract::cancel_moment const& moment) {
    queue_executor here;
    promise<int> p;
    auto f = p.get_future();
    moment.strike(
        here, [&f] { return f.async_wait(); },
        [&p] {
          CHECK_FALSE(p.cancelled());
          p.set_value(6);
        });
    CHECK(f.get() == 6);
  });
  promise<int> p;
  auto f = p.get_future();
  awaited_contract::cancelled_before_it_is_in_the_list([&f] { return f.async_wait(); });
  CHECK_FALSE(p.cancelled());
  p.set_value(1);
  CHECK(f.get() == 1);
}

TEST_CASE("async_wait: the future may be moved, read or let go of meanwhile", "[future]") {
  queue_executor here;
  {
    promise<counted_value> p;
    std::optional f(p.get_future());
    int passed = 0;
    auto const done = spawn(here, wait_for_end(*f, passed));
    auto const cancelled = spawn(here, wait_for_end(*f, passed));
    here.run_ready();
    auto elsewhere = std::move(*f);
    f.reset();
    p.set_value(counted_value(3));
    CHECK(elsewhere.get().value() == 3);
    elsewhere = future<counted_value>();
    cancelled->cancel();
    here.run_until([&] { return done->done() && cancelled->done(); });
    CHECK(passed == 2);
  }
  CHECK(counted_value::alive() == 0);
  // Nobody else has it any more when the cancel comes.
  counted_unhandled_errors const hook;  // of the promise that is not kept
  int passed = 0;
  std::optional<promise<int>> p(std::in_place);
  std::optional f(p->get_future());
  auto const root = spawn(here, wait_for_end(*f, passed));
  here.run_ready();
  f.reset();
  p.reset();
  root->cancel();
  here.run_until([&] { return root->done(); });
  CHECK(passed == 1);
}

TEST_CASE("async_wait: it goes on after the callbacks", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  int passed = 0, seen = -1;
  auto const root = spawn(here, wait_for_end(f, passed));
  f.on_done([&](concur::outcome<int> const&) {
    here.run_ready();
    seen = passed;
  });
  here.run_ready();
  p.set_value(1);
  here.run_until([&] { return root->done(); });
  CHECK(seen == 0);
  CHECK(passed == 1);
}

TEST_CASE("async_wait: a coroutine of a foreign type waits on its thread's executor", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  awaited_contract::a_foreign_coroutine_waits([&f] { return f.async_wait(); }, [&p] { p.set_value(5); });
  CHECK(f.get() == 5);
}

TEST_CASE("async_wait: tasks on a pool wait while others set and cancel, many times", "[future]") {
  support::threads_executor pool(2);
  std::atomic<int> wrong{0};
  for (int i = 0; i < rounds(2'000); ++i) {
    promise<int> p;
    auto f = p.get_future();
    int first_passed = 0, second_passed = 0;
    auto const first = spawn(pool, wait_for_end(f, first_passed));
    auto const second = spawn(pool, wait_for_end(f, second_passed));
    support::hammer crowd;
    crowd.add([&] { p.set_value(i); });
    crowd.add([&] { second->cancel(); });
    crowd.run();
    first->wait_until_done();
    second->wait_until_done();
    if (first_passed != 1 || second_passed != (second->was_cancelled() ? 0 : 1) || f.get() != i) ++wrong;
  }
  CHECK(wrong.load() == 0);
}
