// SPDX-License-Identifier: BSL-1.0
#include <concur/future/promise.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "future_support.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using concur::future;
using concur::promise;
using support::counted_unhandled_errors;
using support::counted_value;
using support::numbered_error;
using support::rounds;

static_assert(!std::is_copy_constructible_v<promise<int>> && std::is_nothrow_move_constructible_v<promise<int>>);

/// Its copies throw; it has no moves.
struct throwing_copy {
  throwing_copy() = default;
  throwing_copy(throwing_copy const&) { throw numbered_error{6}; }
};

}  // namespace

TEST_CASE("promise: its future is given once", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  CHECK_THROWS_AS(p.get_future(), concur::misuse);
  promise<int> q = std::move(p);
  CHECK_THROWS_AS(q.get_future(), concur::misuse);
  q.set_value(1);
  CHECK(f.get() == 1);
}

TEST_CASE("promise: moved from, every use is misuse", "[future]") {
  promise<int> p;
  promise<int> q = std::move(p);
  CHECK_FALSE(p.valid());
  CHECK(q.valid());
  CHECK_THROWS_AS(p.get_future(), concur::misuse);
  CHECK_THROWS_AS(p.set_value(1), concur::misuse);
  CHECK_THROWS_AS(p.set_error(numbered_error{1}), concur::misuse);
  CHECK_THROWS_AS((void)p.try_set_value(1), concur::misuse);
  CHECK_THROWS_AS((void)p.begin(), concur::misuse);
  CHECK_THROWS_AS((void)p.cancelled(), concur::misuse);
  CHECK_THROWS_AS((void)p.get_stop_token(), concur::misuse);
  auto f = q.get_future();
  swap(p, q);
  p.set_value(2);
  CHECK(f.get() == 2);
}

TEST_CASE("promise: set twice is misuse, in every order of value and error", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  SECTION("a value first") {
    p.set_value(1);
    CHECK_THROWS_AS(p.set_value(2), concur::misuse);
    CHECK_THROWS_AS(p.set_error(numbered_error{2}), concur::misuse);
    CHECK_FALSE(p.try_set_value(2));
    CHECK_FALSE(p.try_set_error(numbered_error{2}));
    CHECK(f.get() == 1);
  }
  SECTION("an error first") {
    CHECK(p.try_set_error(std::make_exception_ptr(numbered_error{3})));
    CHECK_THROWS_AS(p.set_value(2), concur::misuse);
    CHECK_THROWS_AS(f.get(), numbered_error);
  }
  SECTION("after it began") {
    CHECK(p.begin());
    CHECK(p.try_set_value(4));
    CHECK_THROWS_AS(p.set_value(2), concur::misuse);
    CHECK_FALSE(p.begin());
    CHECK(f.get() == 4);
  }
  SECTION("an error that is null") {
    CHECK_THROWS_AS(p.set_error(std::exception_ptr()), concur::misuse);
    CHECK_THROWS_AS((void)p.try_set_error(std::exception_ptr()), concur::misuse);
    p.set_value(5);
    CHECK(f.get() == 5);
  }
}

TEST_CASE("promise: a refused value is left alone", "[future]") {
  promise<std::unique_ptr<int>> p;
  auto const f = p.get_future();
  CHECK(f.cancel());
  auto value = std::make_unique<int>(1);
  CHECK_FALSE(p.try_set_value(std::move(value)));
  CHECK(value != nullptr);
}

TEST_CASE("promise: what making the value throws is the error of the future", "[future]") {
  promise<throwing_copy> p;
  auto f = p.get_future();
  throwing_copy const value;
  p.set_value(value);
  CHECK_THROWS_AS(p.set_value(), concur::misuse);
  CHECK(support::number_of(f.error()) == 6);
}

TEST_CASE("promise: destroyed or replaced without a result it breaks, in every position", "[future]") {
  counted_unhandled_errors const hook;
  SECTION("before the future is asked for") {
    {
      promise<int> const p;
    }
    CHECK(hook.count() == 1);  // the error of a future that nobody ever had
  }
  SECTION("while the future waits") {
    std::optional<promise<int>> p(std::in_place);
    auto f = p->get_future();
    p.reset();
    CHECK_THROWS_AS(f.get(), concur::broken_promise);
  }
  SECTION("after it began") {
    std::optional<promise<int>> p(std::in_place);
    auto f = p->get_future();
    CHECK(p->begin());
    p.reset();
    CHECK_THROWS_AS(f.get(), concur::broken_promise);
  }
  SECTION("after it was asked to give up, that is what it did") {
    std::optional<promise<int>> p(std::in_place);
    auto f = p->get_future();
    CHECK(p->begin());
    CHECK(f.cancel());
    p.reset();
    CHECK_THROWS_AS(f.get(), concur::cancelled);
  }
  SECTION("assigned to") {
    promise<int> p;
    auto f = p.get_future();
    p = promise<int>();
    CHECK_THROWS_AS(f.get(), concur::broken_promise);
    p.set_value(1);
  }
  SECTION("after the future was dropped") {
    std::optional<promise<int>> p(std::in_place);
    {
      auto const dropped = p->get_future();
    }
    p.reset();
    CHECK(hook.count() == 1);
  }
  SECTION("after a cancel it is not broken") {
    std::optional<promise<int>> p(std::in_place);
    auto f = p->get_future();
    CHECK(f.cancel());
    p.reset();
    CHECK_THROWS_AS(f.get(), concur::cancelled);
  }
}

TEST_CASE("promise: its stop token is stopped by a cancel, asked for before or after", "[future]") {
  promise<int> p;
  auto const f = p.get_future();
  bool const begun = GENERATE(false, true);
  if (begun) CHECK(p.begin());
  SECTION("before") {
    auto const token = p.get_stop_token();
    CHECK(token.stop_possible());
    CHECK_FALSE(token.stop_requested());
    CHECK(p.get_stop_token() == token);
    CHECK(f.cancel());
    CHECK(token.stop_requested());
  }
  SECTION("after") {
    CHECK(f.cancel());
    CHECK(p.get_stop_token().stop_requested());
  }
  SECTION("not by a completion") {
    auto const token = p.get_stop_token();
    p.set_value(1);
    CHECK_FALSE(f.cancel());
    CHECK_FALSE(token.stop_requested());
  }
}

TEST_CASE("promise: no member changes anything when memory runs out", "[future]") {
  if (!support::failing_new::available()) return;
  promise<int> p;
  auto f = p.get_future();
  {
    support::failing_new const shortage(1);
    CHECK_THROWS_AS((void)p.get_stop_token(), std::bad_alloc);
  }
  CHECK_FALSE(p.get_stop_token().stop_requested());
  CHECK(f.cancel());
  CHECK(p.get_stop_token().stop_requested());
}

TEST_CASE("promise: of many threads that set it, one does", "[future]") {
  int const times = rounds(5'000);
  struct round {
    promise<counted_value> p;
    future<counted_value> f = p.get_future();
    std::atomic<int> sets{0};
  };
  std::atomic<int> wrong{0};
  {
    std::vector<round> all(std::size_t{unsigned(times)});
    support::hammer crowd;
    for (int who = 0; who < 3; ++who) {
      crowd.add([&, who] {
        for (auto& each : all) {
          if (each.p.try_set_value(who)) each.sets.fetch_add(1 << (4 * who));
        }
      });
    }
    crowd.add([&] {
      for (auto& each : all) {
        int const winner = each.f.get().value();
        if (winner < 0 || winner > 2) ++wrong;
      }
    });
    crowd.run();
    for (auto& each : all) {
      int const sets = each.sets.load();
      if (sets != 1 && sets != 1 << 4 && sets != 1 << 8) ++wrong;
    }
  }
  CHECK(wrong.load() == 0);
  CHECK(counted_value::alive() == 0);
}
