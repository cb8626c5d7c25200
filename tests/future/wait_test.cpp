// SPDX-License-Identifier: BSL-1.0
#include <concur/future/wait.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <array>
#include <atomic>
#include <chrono>
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

test_task<std::size_t> count_done(std::vector<future<int>>& futures, return_when when) {
  std::size_t const none = 0;
  auto waiting = concur::wait(futures, when);
  auto const found = co_await waiting;
  co_return none + found.done.size();
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
