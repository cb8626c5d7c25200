// SPDX-License-Identifier: BSL-1.0
#include <concur/core/errors.hpp>

#include "../support/catch.hpp"

#include <string>
#include <type_traits>

namespace {

std::string last_report;

void record(std::exception_ptr const& error, char const* where) {
  last_report = where;
  last_report += " | ";
  concur::append_error(last_report, error);
}

std::string text_of(std::exception_ptr const& error) {
  std::string text;
  concur::append_error(text, error);
  return text;
}

}  // namespace

static_assert(!std::is_base_of_v<std::exception, concur::cancelled>, "nobody catches it by accident");
static_assert(std::is_nothrow_copy_constructible_v<concur::multiple_errors>);
static_assert(std::is_base_of_v<std::logic_error, concur::misuse>);

TEMPLATE_TEST_CASE("errors are standard exceptions with a text", "[errors]", concur::timed_out, concur::closed,
                   concur::broken_barrier, concur::broken_promise, concur::broken_process_pool) {
  try {
    throw TestType();
  } catch (std::exception const& thrown) {
    CHECK(std::string(thrown.what()).size() > 3);
    CHECK(text_of(std::current_exception()).find(thrown.what()) != std::string::npos);
  }
}

TEST_CASE("several errors travel as one that lists them", "[errors]") {
  concur::multiple_errors const both(
      {std::make_exception_ptr(concur::misuse("first\nline")), std::make_exception_ptr(7)});
  concur::multiple_errors const copy = both;
  REQUIRE(copy.errors().size() == 2);
  CHECK(std::string(copy.what()).find("2 errors: ") == 0);
  CHECK(std::string(copy.what()).find("misuse: first line; int") != std::string::npos);
  CHECK_THROWS_AS(std::rethrow_exception(copy.errors()[0]), concur::misuse);
  CHECK_THROWS_AS(std::rethrow_exception(copy.errors()[1]), int);
}

TEST_CASE("an error is described by type and text", "[errors]") {
  CHECK(text_of(std::make_exception_ptr(std::runtime_error("no such host"))) == "std::runtime_error: no such host");
  CHECK(text_of(std::make_exception_ptr(concur::cancelled())).find("cancelled") != std::string::npos);
  CHECK(text_of(nullptr) == "no error");
}

TEST_CASE("the hook is told of errors nobody took, and can be exchanged", "[errors]") {
  REQUIRE(concur::set_unhandled_error_hook(record) == nullptr);
  concur::report_unhandled_error(std::make_exception_ptr(std::runtime_error("lost")), "a job");
  CHECK(last_report == "a job | std::runtime_error: lost");
  last_report.clear();
  concur::report_unhandled_error(nullptr, "a job");
  CHECK(last_report.empty());
  CHECK(concur::set_unhandled_error_hook(nullptr) == record);
  // The default prints a line; the record must stay untouched.
  concur::report_unhandled_error(std::make_exception_ptr(std::runtime_error("shown on purpose")), "a test");
  CHECK(last_report.empty());
}
