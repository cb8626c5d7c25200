// SPDX-License-Identifier: BSL-1.0
//
// How long a wait for a queue spins. What that is good for, the benchmarks show.
#include <concur/queue/detail/run_spin.hpp>

#include "../support/catch.hpp"

#include <cstddef>
#include <cstdint>

using concur::detail::run_spin;

TEST_CASE("whoever waits for single elements looks at once") {
  for (std::size_t room : {std::size_t{1}, std::size_t{2}, std::size_t{16}, std::size_t{1024}, SIZE_MAX}) {
    CHECK(run_spin::pause_length(1, 0, room) == 1);
  }
}

TEST_CASE("a pause is no longer than two for each element of the last run") {
  for (std::size_t run = 1; run <= 100; ++run) CHECK(run_spin::pause_length(1, run, SIZE_MAX) <= 2 * run);
  CHECK(run_spin::pause_length(1, 8, SIZE_MAX) == 16);
}

TEST_CASE("a pause is short, however long the last run") {
  // A number that means nothing because several waited at the same time, too.
  CHECK(run_spin::pause_length(1, std::size_t{0} - 1, SIZE_MAX) == run_spin::longest_pause);
}

TEST_CASE("a pause ends before the other side has reached the end of the room") {
  for (std::size_t room = 8; room <= 256; ++room) {
    CHECK(run_spin::pause_length(1, 1000, room) <= room / 8);
    CHECK(run_spin::pause_length(0, 0, room) <= room / 8);
  }
}

TEST_CASE("now and then a wait for a single element pauses as if it were for a stream") {
  int long_ones = 0;
  constexpr auto turns = int{run_spin::elements_between_trials} * 10;
  for (int turn = 1; turn <= turns; ++turn) {
    if (run_spin::pause_length(std::size_t(turn), 0, 1024) == run_spin::longest_pause) ++long_ones;
  }
  CHECK(long_ones == 10);
}

TEST_CASE("a wait looks after its first pause, and then until the effort is spent") {
  run_spin spin;
  std::size_t passed = 1;
  auto const counted = [&] { return passed; };
  int looks = 0;
  auto never = [&] {
    ++looks;
    return false;
  };
  CHECK_FALSE(spin.spin(never, counted, 1024));
  int const after_single = looks;
  CHECK(after_single > 0);

  spin.ended(counted);
  passed += 32;  // a run: fewer looks, since more of the pauses come before each
  looks = 0;
  CHECK_FALSE(spin.spin(never, counted, 1024));
  CHECK(looks > 0);
  if (concur::os::may_spin()) CHECK(looks < after_single);

  spin.ended(counted);  // nothing has passed since
  looks = 0;
  auto third = [&] { return ++looks == 3; };
  CHECK(spin.spin(third, counted, 1024));
  CHECK(looks == 3);
}
