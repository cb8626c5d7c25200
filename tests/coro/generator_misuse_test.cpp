// SPDX-License-Identifier: BSL-1.0
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/coro/generator.hpp>

#include "../support/catch.hpp"

#include <string>
#include <utility>

namespace {

using concur::elements_of;
using concur::generator;

struct reported {
  std::string sentence;
};

struct throwing_handler {
  throwing_handler()
      : before(
            concur::set_misuse_handler([](concur::misuse_report const& report) { throw reported{report.sentence}; })) {}
  ~throwing_handler() { concur::set_misuse_handler(before); }
  concur::misuse_handler before;
};

std::string misuse(auto wrong) {
  throwing_handler const installed;
  try {
    wrong();
  } catch (reported const& report) {
    return report.sentence;
  }
  return "nothing was reported";
}

generator<int> count(int end) {
  for (int n = 0; n != end; ++n) co_yield n;
}
generator<int> all_of(generator<int>& other) { co_yield elements_of(other); }

}  // namespace

TEST_CASE("a generator can be iterated over once", "[generator]") {
  auto numbers = count(3);
  static_cast<void>(numbers.begin());
  CHECK(misuse([&] { static_cast<void>(numbers.begin()); }) == "begin() of a generator was called a second time");
}

TEST_CASE("a generator that was moved from has no elements", "[generator]") {
  auto numbers = count(3);
  auto const moved = std::move(numbers);
  CHECK(misuse([&] { static_cast<void>(numbers.begin()); }) ==
        "begin() of a generator that was moved from, or given to elements_of");
  CHECK(misuse([&] { static_cast<void>(all_of(numbers).begin()); }) ==
        "elements_of a generator that was moved from, or given to elements_of before");
}

TEST_CASE("a generator that was begun cannot be delegated to", "[generator]") {
  auto numbers = count(3);
  static_cast<void>(numbers.begin());
  CHECK(misuse([&] { static_cast<void>(all_of(numbers).begin()); }) == "elements_of a generator that was begun");
}
