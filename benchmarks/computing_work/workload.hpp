// SPDX-License-Identifier: BSL-1.0
//
// Work that only computes: twenty sums over 300,000 numbers, one after the other, by a pool with a worker for each of
// two CPUs, by coroutines on that pool, and by coroutines on one thread, which compute no faster than one thread does;
// and the three sums of the tutorial, over a tenth of its 120,000,000 numbers, each in a thread of its own.
#pragma once

#include "../support/whole_work.hpp"

inline constexpr char const* twenty_sums = "computing_work/twenty_sums";
inline constexpr int sums = 20;
inline constexpr long numbers_of_twenty = 300'000;
inline constexpr int pool_workers = 2;

inline constexpr char const* three_sums = "computing_work/three_sums";
inline constexpr long numbers_of_three = 12'000'000;

/// 0 + 1 + … + (numbers - 1), one addition after the other: the compiler must neither know the formula nor add several
/// at once, for Python does not. One copy for all libraries, so that none has a better loop.
[[gnu::noinline]] inline long sum_to(long numbers) {
  long total = 0;
  for (long each = 0; each < numbers; ++each) {
    total += each;
    asm volatile("" : "+r"(total));
  }
  return total;
}

inline constexpr long right_sum(long numbers) { return numbers * (numbers - 1) / 2; }
