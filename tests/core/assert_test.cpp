// SPDX-License-Identifier: BSL-1.0
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/core/assert.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"

#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct reported {
  std::string sentence, file, function;
  unsigned line;
};

void throw_report(concur::misuse_report const& report) {
  throw reported{report.sentence, report.file, report.function, report.line};
}

struct throwing_handler {
  throwing_handler() : before(concur::set_misuse_handler(throw_report)) {}
  ~throwing_handler() { concur::set_misuse_handler(before); }
  concur::misuse_handler before;
};

constexpr int half(int even) {
  CONCUR_ASSERT(even % 2 == 0, "half() of an odd number");
  return even / 2;
}
static_assert(half(4) == 2, "assertions do not spoil constant evaluation");

}  // namespace

TEST_CASE("a broken precondition reaches the handler with sentence and place", "[assert]") {
  throwing_handler const installed;
  CHECK(half(2) == 1);
  try {
    half(3);
    FAIL("not reported");
  } catch (reported const& report) {
    CHECK(report.sentence == "half() of an odd number");
    CHECK(report.file.find("assert_test.cpp") != std::string::npos);
    CHECK(report.function.find("half") != std::string::npos);
    CHECK(report.line > 0);
  }
}

TEST_CASE("a report can be made without a condition", "[assert]") {
  throwing_handler const installed;
  CHECK_THROWS_AS(concur::report_misuse("wrong"), reported);
}

TEST_CASE("exchanging the handler returns the one before", "[assert]") {
  REQUIRE(concur::set_misuse_handler(throw_report) == nullptr);
  CHECK(concur::set_misuse_handler(nullptr) == throw_report);
}

TEST_CASE("without a handler, and when the handler returns, the program is aborted", "[assert]") {
  bool const with_handler = GENERATE(false, true);
  pid_t const child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);
    ::signal(SIGABRT, SIG_DFL);
    if (with_handler) concur::set_misuse_handler([](concur::misuse_report const&) {});
    concur::report_misuse("wrong");
  }
  int const status = support::end_of(child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}
