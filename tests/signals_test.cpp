// SPDX-License-Identifier: BSL-1.0
//
// With CONCUR_SIGNALS in the environment, as `tests/run --signals` sets it, all tests of the program run while every
// thread is interrupted all the time; nothing may change.
#include "support/catch.hpp"
#include "support/interruptions.hpp"

#include <cerrno>
#include <ctime>
#include <optional>

namespace {

std::optional<support::interruptions> all_the_time;
bool const asked_for = [] {
  bool const wanted = std::getenv("CONCUR_SIGNALS") != nullptr;
  if (wanted) all_the_time.emplace();
  return wanted;
}();

}  // namespace

TEST_CASE("signals: interruptions reach every thread and end its system calls", "[signals]") {
  std::optional<support::interruptions> here;
  if (!asked_for) here.emplace();
  auto const sleep_interrupted = [] {
    timespec const an_hour{3600, 0};
    return nanosleep(&an_hour, nullptr) == -1 && errno == EINTR;
  };
  CHECK(sleep_interrupted());
  bool other = false;
  std::thread([&] { other = sleep_interrupted(); }).join();
  CHECK(other);
  CHECK(support::interruptions::count() >= 2);
}
