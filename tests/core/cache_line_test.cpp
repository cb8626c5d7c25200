// SPDX-License-Identifier: BSL-1.0
#include <concur/core/cache_line.hpp>
#include <concur/core/os.hpp>

#include "../support/catch.hpp"

#include <cstdint>
#include <utility>

static_assert(alignof(concur::padded<char>) == concur::cache_line_size);
static_assert(sizeof(concur::padded<char>) == concur::cache_line_size);
static_assert(sizeof(concur::padded<char[65]>) == 2 * concur::cache_line_size);

TEST_CASE("padded values are reached like through a pointer, and lie on lines of their own", "[cache_line]") {
  struct ends {
    concur::padded<concur::os::atomic<std::uint32_t>> head;
    concur::padded<concur::os::atomic<std::uint32_t>> tail{std::in_place, 7u};
  };
  ends both;
  CHECK(both.head->load() == 0);
  CHECK((*both.tail).load() == 7);
  CHECK(reinterpret_cast<std::uintptr_t>(&*both.tail) - reinterpret_cast<std::uintptr_t>(&*both.head) == 64);
}
