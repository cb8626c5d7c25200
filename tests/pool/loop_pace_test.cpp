// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/detail/loop_pace.hpp>

#include "../support/catch.hpp"

#include <chrono>
#include <cstdint>

namespace {

using concur::detail::loop_pace;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

loop_pace after(std::uint64_t elements, loop_pace::duration took) {
  loop_pace pace;
  pace.measured(elements, took);
  return pace;
}

}  // namespace

TEST_CASE("loop_pace: as many as fit", "[loop_pace]") {
  CHECK(after(100, microseconds(10)).fitting(microseconds(10)) == 100);
  CHECK(after(100, microseconds(20)).fitting(microseconds(10)) == 50);
  CHECK(after(100, microseconds(5)).fitting(microseconds(10)) == 200);
  CHECK(after(3, nanoseconds(1000)).fitting(microseconds(2)) == 6);
}

TEST_CASE("loop_pace: at least one", "[loop_pace]") {
  CHECK(after(1, microseconds(11)).fitting(microseconds(10)) == 1);
  CHECK(after(1, hours(1000)).fitting(microseconds(10)) == 1);
  CHECK(after(1000, hours(1000)).fitting(microseconds(10)) == 1);
}

TEST_CASE("loop_pace: not many times as many as last time", "[loop_pace]") {
  CHECK(after(1, nanoseconds(1)).fitting(microseconds(10)) <= 10);
  CHECK(after(1, nanoseconds(0)).fitting(microseconds(10)) <= 10);
  CHECK(after(100, nanoseconds(1)).fitting(microseconds(10)) <= 1000);
  CHECK(after(100, nanoseconds(1)).fitting(microseconds(10)) > 100);
  CHECK(after(100, microseconds(-5)).fitting(microseconds(10)) > 100);  // no clock goes backwards, but it costs nothing
}

TEST_CASE("loop_pace: elements without any cost do not overflow", "[loop_pace]") {
  std::uint64_t elements = 1;
  for (int i = 0; i < 100; ++i) {
    auto const next = after(elements, nanoseconds(20)).fitting(microseconds(10));
    REQUIRE(next >= elements);
    elements = next;
  }
  CHECK(elements > 1'000'000'000);
  auto const slower = after(elements, microseconds(100)).fitting(microseconds(10));
  CHECK(slower == elements / 10);
}
