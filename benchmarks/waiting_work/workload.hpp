// SPDX-License-Identifier: BSL-1.0
//
// Work that only waits, as for an answer from somewhere else: twenty waits of 20 ms, one after the other, by ten
// threads of a pool, and by coroutines on one thread; and the two spiders of examples/threads/spiders.cpp, which wait
// 3 s and 5 s there and a tenth of that here.
#pragma once

#include "../support/whole_work.hpp"

#include <chrono>

inline constexpr char const* twenty_waits = "waiting_work/twenty_waits";
inline constexpr int waits = 20;
inline constexpr auto one_wait = std::chrono::milliseconds(20);
inline constexpr int pool_threads = 10;

inline constexpr char const* two_spiders = "waiting_work/two_spiders";
inline constexpr auto short_wait = std::chrono::milliseconds(300);
inline constexpr auto long_wait = std::chrono::milliseconds(500);
