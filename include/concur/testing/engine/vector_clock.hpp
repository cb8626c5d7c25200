// SPDX-License-Identifier: BSL-1.0
//
// Vector clocks: what has happened before a thread's next step, and which stores that thread can no longer miss.
//
// The two differ. An acquire of a release brings both. A sequentially consistent fence brings visibility only: a
// thread must then read the newer store, and yet a plain access beside it is still a race.
#pragma once

#include <cstdint>

namespace concur::testing::engine {

/// Threads of one execution, the scenario function's own included.
inline constexpr int max_threads = 16;

/// A thread's own time: its number of steps. 16 bits keep a clock in two vector registers.
using tick = std::int16_t;

/// Later than every step; the limit on steps keeps clear of it.
inline constexpr tick never_seen = 32767;

struct vector_clock {
  tick at[max_threads]{};

  void join(vector_clock const& other) noexcept {
    for (int i = 0; i < max_threads; ++i) at[i] = other.at[i] > at[i] ? other.at[i] : at[i];
  }
};

/// True when some thread's entry in `events` lies within `known`.
inline bool any_within(vector_clock const& events, vector_clock const& known) noexcept {
  int found = 0;
  for (int i = 0; i < max_threads; ++i) found |= events.at[i] <= known.at[i] ? 1 : 0;
  return found != 0;
}

/// Which stores a thread must see: those within `stores`, and every one that took part in a sequentially
/// consistent access up to step `fence_step`.
struct visibility {
  vector_clock stores;
  tick fence_step = 0;

  void join(visibility const& other) noexcept {
    stores.join(other.stores);
    if (other.fence_step > fence_step) fence_step = other.fence_step;
  }
};

/// Everything one thread knows, or one release hands over.
struct view {
  vector_clock happened;
  visibility visible;

  void join(view const& other) noexcept {
    happened.join(other.happened);
    visible.join(other.visible);
  }
};

}  // namespace concur::testing::engine
