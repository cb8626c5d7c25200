// SPDX-License-Identifier: BSL-1.0
#include <concur/future/shared_future.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::outcome;
using concur::promise;
using concur::shared_future;
using support::counted_unhandled_errors;
using support::counted_value;
using support::numbered_error;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;

static_assert(std::is_nothrow_copy_constructible_v<shared_future<std::unique_ptr<int>>>);
static_assert(std::is_same_v<decltype(std::declval<shared_future<int> const&>().get()), int const&>);

test_task<int> await_shared(shared_future<int> f) {
  int const& value = co_await f;
  co_return value;
}

}  // namespace

TEST_CASE("shared_future: every copy gives the same value, as often as wanted", "[future]") {
  promise<std::string> p;
  auto f = p.get_future();
  auto const shared = std::move(f).share();
  CHECK_FALSE(f.valid());
  auto copy = shared;
  CHECK_FALSE(copy.done());
  p.set_value("text");
  CHECK(&copy.get() == &shared.get());
  CHECK(copy.get() == "text");
  CHECK(copy.get() == "text");
  auto moved = std::move(copy);
  CHECK_FALSE(copy.valid());
  CHECK_THROWS_AS(copy.get(), concur::misuse);
  copy = moved;
  CHECK(copy.get() == "text");
  auto& same = copy;
  copy = same;
  CHECK(copy.valid());
  CHECK_NOTHROW(support::ready_future<void>().share().get());
}

TEST_CASE("shared_future: of a future whose result was taken there is none", "[future]") {
  auto f = support::ready_future<int>(1);
  CHECK(f.get() == 1);
  CHECK_THROWS_AS(std::move(f).share(), concur::misuse);
  CHECK_THROWS_AS(std::move(f).then([](int) {}), concur::misuse);
}

TEST_CASE("shared_future: an error is thrown to every reader, and reported when there is none", "[future]") {
  counted_unhandled_errors const hook;
  {
    auto const shared = support::failed_future<int>(1).share();
    auto const copy = shared;
    CHECK_THROWS_AS(shared.get(), numbered_error);
    CHECK_THROWS_AS(copy.get(), numbered_error);
    CHECK(support::number_of(copy.error()) == 1);
  }
  CHECK(hook.count() == 0);
  {
    auto const shared = support::failed_future<int>(1).share();
    auto const copy = shared;
  }
  CHECK(hook.count() == 1);
}

TEST_CASE("shared_future: get until a stop, callbacks, and a cancel", "[future]") {
  promise<int> p;
  auto const shared = p.get_future().share();
  std::stop_source stopped;
  stopped.request_stop();
  CHECK(shared.get(stopped.get_token()) == nullptr);
  int seen = 0;
  shared.on_done([&](outcome<int> const& how) { seen += how.value() + shared.get(); });
  p.set_value(3);
  CHECK(seen == 6);
  REQUIRE(shared.get(stopped.get_token()) != nullptr);
  CHECK(*shared.get(stopped.get_token()) == 3);

  promise<int> q;
  auto const given_up = q.get_future().share();
  auto const copy = given_up;
  CHECK(copy.cancel());
  CHECK_THROWS_AS(given_up.get(), concur::cancelled);
  CHECK_THROWS_AS((void)given_up.get(stopped.get_token()), concur::cancelled);
}

TEST_CASE("shared_future: cancelling a task that awaits ends its wait only", "[future]") {
  queue_executor here;
  promise<int> p;
  auto const shared = p.get_future().share();
  auto const impatient = spawn(here, await_shared(shared));
  auto const patient = spawn(here, await_shared(shared));
  here.run_ready();
  impatient->cancel();
  here.run_until([&] { return impatient->done(); });
  CHECK(impatient->was_cancelled());
  CHECK_FALSE(p.cancelled());
  p.set_value(8);
  here.run_until([&] { return patient->done(); });
  CHECK(patient->result() == 8);
  auto const late = spawn(here, await_shared(shared));
  here.run_ready();
  CHECK(late->result() == 8);
}

TEST_CASE("shared_future: many readers come and go, the value is destroyed once", "[future]") {
  int const times = rounds(3'000);
  std::atomic<int> wrong{0};
  for (int i = 0; i < times; ++i) {
    promise<counted_value> p;
    auto shared = p.get_future().share();
    support::hammer crowd;
    for (int who = 0; who < 3; ++who) {
      crowd.add([mine = shared, i, &wrong] {
        auto const copy = mine;
        if (copy.get().value() != i) ++wrong;
      });
    }
    crowd.add([&] { p.set_value(i); });
    shared = shared_future<counted_value>();
    crowd.run();
  }
  CHECK(wrong.load() == 0);
  CHECK(counted_value::alive() == 0);
}
