// SPDX-License-Identifier: BSL-1.0
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 0
#include <concur/core/assert.hpp>

#include "../support/catch.hpp"

TEST_CASE("an unchecked build does not evaluate the condition and does not warn", "[assert]") {
  int evaluated = 0;
  auto const count = [&evaluated] { return ++evaluated > 0; };
  bool const only_asserted = false;
  CONCUR_ASSERT(count(), "never looked at");
  CONCUR_ASSERT(only_asserted, "no warning about an unused variable");
  CHECK(evaluated == 0);
}
