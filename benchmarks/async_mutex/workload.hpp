// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that awaits a mutex which nobody else wants, and unlocks it. There is no peer; the same pair by a
// blocking thread stands beside it.
#pragma once

#include "../support/cases.hpp"

inline constexpr auto async_pair = "async_mutex/uncontended_pair";
