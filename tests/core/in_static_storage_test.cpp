// SPDX-License-Identifier: BSL-1.0
#include <concur/core/in_static_storage.hpp>

#include "../support/catch.hpp"

#include <cstdio>
#include <memory>

namespace {

using concur::in_static_storage;

int initialized = 1;
int zero;
constexpr int constant[3] = {1, 2, 3};
thread_local int of_a_thread = 0;

}  // namespace

TEST_CASE("in_static_storage: of the program and of its libraries, and nowhere else", "[in_static_storage]") {
  static int of_a_function = 0;
  int automatic = 0;
  auto const dynamic = std::make_unique<int>(0);
  CHECK(in_static_storage(&initialized));
  CHECK(in_static_storage(&zero));
  CHECK(in_static_storage(&constant[2]));
  CHECK(in_static_storage(&of_a_function));
  CHECK(in_static_storage(&stdout));
  CHECK_FALSE(in_static_storage(&automatic));
  CHECK_FALSE(in_static_storage(dynamic.get()));
  CHECK_FALSE(in_static_storage(&of_a_thread));
  CHECK_FALSE(in_static_storage(nullptr));
}
