// SPDX-License-Identifier: BSL-1.0
#include <concur/future/gather.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace {

using concur::collect_outcomes;
using concur::future;
using concur::gather;
using concur::promise;
using support::counted_unhandled_errors;
using support::counted_value;
using support::failed_future;
using support::numbered_error;
using support::queue_executor;
using support::ready_future;
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

test_task<int> sum_of(std::vector<future<int>> futures) {
  int sum = 0;
  auto waiting = gather(std::move(futures));
  auto const values = co_await waiting;
  for (int each : values) sum += each;
  co_return sum;
}

test_task<int> sum_of_two(future<int> f, future<int> g) {
  int const none = 0;
  auto const [a, b] = co_await gather(std::move(f), std::move(g));
  co_return none + a + b;
}

support::foreign_coroutine sum_foreign(std::vector<future<int>> futures, int& sum) {
  auto waiting = gather(std::move(futures));
  auto const values = co_await waiting;
  for (int each : values) sum += each;
}

}  // namespace

TEST_CASE("gather: a coroutine of a foreign type awaits it", "[future]") {
  queue_executor here;
  concur::executor_scope const on(here);
  several s(2);
  int sum = 0;
  auto const waiting = sum_foreign(std::move(s.futures), sum);
  s.promises[1].set_value(2);
  here.run_ready();
  CHECK_FALSE(waiting.done());
  s.promises[0].set_value(1);
  here.run_until([&] { return waiting.done(); });
  CHECK(sum == 3);
}

TEST_CASE("gather: the values in the order of the arguments", "[future]") {
  promise<int> p;
  promise<std::string> q;
  promise<void> r;
  auto all = gather(p.get_future(), q.get_future(), r.get_future(), ready_future<std::unique_ptr<int>>(nullptr));
  std::thread producer([&] {
    r.set_value();
    q.set_value("text");
    p.set_value(1);
  });
  auto const values = all.get();
  producer.join();
  static_assert(
      std::is_same_v<decltype(values), std::tuple<int, std::string, std::monostate, std::unique_ptr<int>> const>);
  CHECK(std::get<0>(values) == 1);
  CHECK(std::get<1>(values) == "text");
  CHECK_THROWS_AS(all.get(), concur::misuse);
}

TEST_CASE("gather: of a vector, of nothing, and of one without a state", "[future]") {
  several s(3);
  for (std::size_t i = 0; i < 3; ++i) s.promises[2 - i].set_value(int(2 - i));
  CHECK(gather(std::move(s.futures)).get() == std::vector<int>{0, 1, 2});
  CHECK(gather(std::vector<future<int>>()).get().empty());
  CHECK(gather().get() == std::tuple<>());
  std::vector<future<void>> nothing;
  nothing.push_back(ready_future<void>());
  CHECK(gather(std::move(nothing)).get().size() == 1);
  CHECK(std::get<0>(std::get<0>(gather(ready_future<std::tuple<int>>(7)).get())) == 7);
  CHECK_THROWS_AS(gather(future<int>()), concur::misuse);
}

TEST_CASE("gather: the first error cancels the rest, waits for them, and is thrown", "[future]") {
  several s(3);
  REQUIRE(s.promises[0].begin());
  auto all = gather(std::move(s.futures));
  std::atomic<bool> ended{false};
  std::thread producer([&] {
    s.promises[1].set_error(numbered_error{4});
    while (!s.promises[0].cancelled()) std::this_thread::yield();
    ended.store(true);
    s.promises[0].set_value(1);
  });
  int number = 0;
  try {
    all.get();
  } catch (numbered_error const& error) {
    number = error.number;
  }
  CHECK(number == 4);
  CHECK(ended.load());
  CHECK(s.promises[2].cancelled());
  producer.join();
}

TEST_CASE("gather: several errors become one, and a cancel of the rest is none of them", "[future]") {
  counted_unhandled_errors const hook;
  several s(4);
  REQUIRE(s.promises[3].begin());
  s.promises[2].set_error(numbered_error{2});
  s.promises[0].set_error(numbered_error{1});
  auto all = gather(std::move(s.futures));
  std::thread producer([&] {
    while (!s.promises[3].cancelled()) std::this_thread::yield();
    s.promises[3].set_error(concur::cancelled());
  });
  std::vector<std::exception_ptr> errors;
  try {
    all.get();
  } catch (concur::multiple_errors const& thrown) {
    errors = thrown.errors();
  }
  producer.join();
  REQUIRE(errors.size() == 2);
  CHECK(support::number_of(errors[0]) == 1);
  CHECK(support::number_of(errors[1]) == 2);
  CHECK(hook.count() == 0);
}

TEST_CASE("gather: a future that somebody else cancelled is an error", "[future]") {
  several s(2);
  s.futures[1].cancel();
  CHECK_THROWS_AS(gather(std::move(s.futures)).get(), concur::cancelled);
  CHECK(s.promises[0].cancelled());
}

TEST_CASE("gather: collects every outcome, and cancels nothing", "[future]") {
  counted_unhandled_errors const hook;
  promise<int> p;
  auto pair = gather(collect_outcomes, failed_future<void>(5), p.get_future());
  CHECK_FALSE(p.cancelled());
  p.set_value(6);
  auto const [first, second] = pair.get();
  CHECK(support::number_of(first.error()) == 5);
  CHECK(second.value() == 6);

  std::vector<future<int>> futures;
  futures.push_back(ready_future<int>(1));
  futures.push_back(failed_future<int>(2));
  auto const outcomes = gather(collect_outcomes, std::move(futures)).get();
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].value() == 1);
  CHECK(support::number_of(outcomes[1].error()) == 2);
  CHECK(hook.count() == 0);
}

TEST_CASE("gather: a stop ends the wait only", "[future]") {
  promise<int> p;
  auto all = gather(p.get_future(), ready_future<int>(1));
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  CHECK_FALSE(all.get(source.get_token()).has_value());
  stopper.join();
  CHECK_FALSE(p.cancelled());
  p.set_value(2);
  CHECK(all.get(source.get_token()) == std::tuple(2, 1));
}

TEST_CASE("gather: dropped, it lets the work go on", "[future]") {
  counted_unhandled_errors const hook;
  {
    promise<int> p;
    {
      auto const all = gather(p.get_future(), failed_future<int>(1));
    }
    CHECK_FALSE(p.cancelled());
    p.set_value(1);
  }
  CHECK(hook.count() == 1);
}

TEST_CASE("gather: a task awaits it", "[future]") {
  queue_executor here;
  several s(3);
  auto const root = spawn(here, sum_of(std::move(s.futures)));
  here.run_ready();
  CHECK_FALSE(root->done());
  for (int i = 0; i < 3; ++i) s.promises[std::size_t(i)].set_value(i + 1);
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == 6);
  auto const two = spawn(here, sum_of_two(ready_future<int>(1), ready_future<int>(2)));
  here.run_ready();
  CHECK(two->result() == 3);
  several failing(2);
  failing.promises[1].set_error(numbered_error{3});
  auto const wrong = spawn(here, sum_of(std::move(failing.futures)));
  here.run_until([&] { return wrong->done(); });
  CHECK(support::number_of(wrong->error()) == 3);
}

TEST_CASE("gather: cancelling the task cancels the futures and waits for their end", "[future]") {
  queue_executor here;
  several s(3);
  REQUIRE(s.promises[1].begin());
  auto const root = spawn(here, sum_of(std::move(s.futures)));
  SECTION("while it waits") {
    here.run_ready();
    root->cancel();
    here.run_ready();
    CHECK(s.promises[0].cancelled());
    CHECK(s.promises[1].cancelled());
    CHECK_FALSE(root->done());
    s.promises[1].set_value(1);
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
  }
  SECTION("before it begins") {
    root->cancel();
    here.run_ready();
    CHECK(s.promises[2].cancelled());
    CHECK_FALSE(root->done());
    s.promises[1].set_value(1);
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
  }
}

TEST_CASE("gather: values beat the cancel", "[future]") {
  queue_executor here;
  several s(2);
  for (auto& each : s.promises) REQUIRE(each.begin());
  auto const root = spawn(here, sum_of(std::move(s.futures)));
  here.run_ready();
  root->cancel();
  here.run_ready();
  for (auto& each : s.promises) each.set_value(4);
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == 8);
}

TEST_CASE("gather: errors, values and cancels beside each other, many times", "[future]") {
  int const times = rounds(5'000);
  std::atomic<int> wrong{0};
  for (int i = 0; i < times; ++i) {
    several s(4);
    support::hammer crowd;
    crowd.add([&] {
      for (std::size_t k = 0; k < 2; ++k) {
        if (!s.promises[k].begin()) continue;
        if (i % 3 == int(k)) {
          s.promises[k].set_error(numbered_error{1});
        } else {
          s.promises[k].set_value(1);
        }
      }
    });
    crowd.add([&] {
      for (std::size_t k = 2; k < 4; ++k) s.promises[k].set_value(1);
    });
    crowd.add([&] {
      try {
        if (gather(std::move(s.futures)).get().size() != 4 || i % 3 != 2) ++wrong;
      } catch (numbered_error const&) {
        if (i % 3 == 2) ++wrong;
      }
    });
    crowd.run();
  }
  CHECK(wrong.load() == 0);
}
