// SPDX-License-Identifier: BSL-1.0
//
// What the first examples print.
#include "example.hpp"

TEST_CASE("first/counter: eight threads count to 80000") {
  auto const printed = support::output_of("first/counter");
  REQUIRE(printed.size() == 1);
  CHECK(printed[0].starts_with("8 threads counted to 80000, at most "));
}
