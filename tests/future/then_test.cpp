// SPDX-License-Identifier: BSL-1.0
//
// future<T>::then.
#include <concur/future/detail/continuation.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "future_support.hpp"

#include <concur/future/future.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace {

using concur::future;
using concur::outcome;
using concur::promise;
using support::counted_unhandled_errors;
using support::counted_value;
using support::failed_future;
using support::numbered_error;
using support::ready_future;

}  // namespace

TEST_CASE("then: gets the value moved, nothing for void, or the outcome", "[future]") {
  CHECK(ready_future<int>(1).then([](int n) { return n + 1; }).get() == 2);
  CHECK(ready_future<void>().then([] { return std::string("x"); }).get() == "x");
  auto owner = ready_future<std::unique_ptr<int>>(std::make_unique<int>(4));
  CHECK(*std::move(owner).then([](std::unique_ptr<int> p) { return p; }).get() == 4);
  CHECK(ready_future<int>(1).then([](outcome<int> const& how) { return how.value() + 2; }).get() == 3);
  CHECK(ready_future<void>().then([](outcome<void> const& how) { return how.has_value(); }).get());
  // A generic function gets the value.
  auto generic =
      ready_future<int>(5).then([](auto const& given) { static_assert(std::is_same_v<decltype(given), int const&>); });
  static_assert(std::is_same_v<decltype(generic), future<void>>);
  generic.get();
}

TEST_CASE("then: an error passes by a function of the value, and reaches one of the outcome", "[future]") {
  counted_unhandled_errors const hook;
  int called = 0;
  auto passed = failed_future<int>(3).then([&](int) { ++called; }).then([&] { ++called; });
  CHECK_THROWS_AS(passed.get(), numbered_error);
  CHECK(called == 0);
  CHECK(failed_future<int>(3).then([](outcome<int> const& how) { return support::number_of(how.error()); }).get() == 3);
  CHECK(hook.count() == 0);
  {
    auto const dropped = failed_future<int>(3).then([](int) {});
  }
  CHECK(hook.count() == 1);  // once, by the last of the chain
}

TEST_CASE("then: what the function throws is the error of the new future", "[future]") {
  auto f = ready_future<int>(1).then([](int n) -> int { throw numbered_error{n}; });
  CHECK_THROWS_AS(f.get(), numbered_error);
}

TEST_CASE("then: a future that is returned is a value like any other", "[future]") {
  auto f = ready_future<int>(1).then([](int n) { return ready_future<int>(n + 1); });
  static_assert(std::is_same_v<decltype(f), future<future<int>>>);
  CHECK(f.get().get() == 2);
}

TEST_CASE("then: runs after the callbacks that were given before it", "[future]") {
  promise<std::string> p;
  auto f = p.get_future();
  std::string order;
  f.on_done([&](outcome<std::string> const& how) { order += how.value(); });
  auto next = std::move(f).then([&](std::string text) {
    order += text + "!";
    return text;
  });
  CHECK_FALSE(f.valid());
  p.set_value("a");
  CHECK(order == "aa!");
  CHECK(next.get() == "a");
}

TEST_CASE("then: given in a callback, it runs after that callback", "[future]") {
  promise<std::string> p;
  auto f = p.get_future();
  std::string order;
  future<void> next;
  f.on_done([&](outcome<std::string> const& how) {
    next = std::move(f).then([&](std::string const& text) { order += "then " + text; });
    order += "callback " + how.value() + ", ";
  });
  p.set_value("x");
  CHECK(order == "callback x, then x");
  CHECK_NOTHROW(next.get());
}

TEST_CASE("then: a cancel goes up the chain, and the function does not begin", "[future]") {
  promise<int> p;
  int called = 0;
  auto f = p.get_future().then([&](int) { ++called; }).then([&] { ++called; });
  SECTION("nothing has begun") {
    CHECK(f.cancel());
    CHECK(p.cancelled());
    p.set_value(1);
  }
  SECTION("the source runs") {
    CHECK(p.begin());
    CHECK(f.cancel());
    CHECK(p.cancelled());
    p.set_value(1);
  }
  CHECK(called == 0);
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("then: functions and values live no longer than they must", "[future]") {
  {
    promise<counted_value> p;
    auto f = p.get_future().then([held = counted_value(2)](counted_value n) { return counted_value(n.value() + 2); });
    CHECK(counted_value::alive() == 1);
    p.set_value(1);
    CHECK(f.get().value() == 3);
    promise<counted_value> dropped;
    {
      auto const gone = dropped.get_future().then([held = counted_value(2)](counted_value n) { return n; });
    }
    dropped.set_value(1);
  }
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("then: without memory the future is as before", "[future]") {
  if (!support::failing_new::available()) return;
  auto f = ready_future<int>(1);
  {
    support::failing_new const shortage(1);
    CHECK_THROWS_AS(std::move(f).then([big = std::array<char, 2000>()](int) { return big[0]; }), std::bad_alloc);
  }
  CHECK(f.get() == 1);
}
