// SPDX-License-Identifier: BSL-1.0
//
// How long a thread tries before it sleeps: some pauses, then some yields, then the caller parks.
//
//     if (spin_until([&] { return try_acquire(); })) return;
//
// Through the caches a hand-over costs about 0.1 microseconds, through the kernel 40; so a short wait must not sleep.
// Yielding after the pauses keeps oversubscribed machines going; where only one CPU may be used there are no pauses.
#pragma once

#include <concur/core/os.hpp>

namespace concur::inline CONCUR_ABI {

/// How often to look with a pause between, then with a yield between. About 20 ns a pause and 0.3 µs a yield,
/// or 1.2 where the kernel has page tables of its own: then all the yields cost as much as sleeping and being woken.
struct spin_effort {
  int pauses = 32;
  int yields = 16;
};

/// Calls `attempt` until it returns true or the effort is spent; says which. `attempt` should only read while it
/// cannot succeed, or the line bounces between the processors.
template <class Attempt>
bool spin_until(Attempt attempt, spin_effort effort = {}) {
  int const pauses = os::may_spin() ? os::spin_rounds(effort.pauses) : 0;
  for (int i = 0; i < pauses; ++i) {
    if (attempt()) return true;
    os::spin_pause();
  }
  for (int i = 0; i < os::spin_rounds(effort.yields); ++i) {
    if (attempt()) return true;
    os::yield();
  }
  return attempt();
}

/// Waits for something that another running thread does within a few instructions, such as letting go of a list.
/// Yields now and then, for the case that this other thread has lost its CPU.
class brief_wait {
 public:
  void pause() noexcept {
    if (++rounds_ % rounds_before_yield == 0) {
      os::yield();
    } else {
      os::spin_pause();
    }
  }

 private:
  static constexpr unsigned rounds_before_yield = 64;
  unsigned rounds_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
