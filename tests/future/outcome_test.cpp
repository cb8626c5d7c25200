// SPDX-License-Identifier: BSL-1.0
#include <concur/future/outcome.hpp>

#include "../support/catch.hpp"
#include "future_support.hpp"

#include <memory>
#include <string>
#include <type_traits>

namespace {

using concur::outcome;
using support::numbered_error;

static_assert(std::is_copy_constructible_v<outcome<std::string>>);
static_assert(!std::is_copy_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(std::is_same_v<decltype(std::declval<outcome<int> const&>().value()), int const&>);
static_assert(std::is_same_v<decltype(std::declval<outcome<int>>().value()), int>);
static_assert(std::is_void_v<decltype(std::declval<outcome<void> const&>().value())>);

}  // namespace

TEST_CASE("outcome: a value or an error", "[future]") {
  outcome<std::string> const value(std::in_place, 3u, 'x');
  CHECK(value);
  CHECK(value.has_value());
  CHECK(value.value() == "xxx");
  CHECK(value.error() == nullptr);
  CHECK(outcome<std::string>(value).value() == "xxx");

  outcome<std::string> const error(std::make_exception_ptr(numbered_error{4}));
  CHECK_FALSE(error);
  CHECK(support::number_of(error.error()) == 4);
  CHECK_THROWS_AS(error.value(), numbered_error);
  CHECK_THROWS_AS(error.stored_or_throw(), numbered_error);
  CHECK_THROWS_AS(outcome<std::string>(error).value(), numbered_error);
  CHECK_THROWS_AS(outcome<std::string>(std::exception_ptr()), concur::misuse);
}

TEST_CASE("outcome: void, values that only move, and errors as values", "[future]") {
  outcome<void> const done(std::in_place);
  CHECK(done);
  CHECK_NOTHROW(done.value());
  CHECK_THROWS_AS(outcome<void>(std::make_exception_ptr(numbered_error{1})).value(), numbered_error);

  outcome<std::unique_ptr<int>> owner(std::in_place, std::make_unique<int>(5));
  outcome<std::unique_ptr<int>> moved(std::move(owner));
  CHECK(*std::move(moved).value() == 5);

  outcome<std::exception_ptr> const carried(std::in_place, std::make_exception_ptr(numbered_error{2}));
  CHECK(carried);
  CHECK(carried.error() == nullptr);
  CHECK(support::number_of(carried.value()) == 2);
}
