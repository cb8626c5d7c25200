// SPDX-License-Identifier: BSL-1.0
//
// The kernel's own means, as a floor: the two futex calls, and the plain three-state mutex that they were made for
// (U. Drepper, "Futexes are tricky", mutex2). It does not spin.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace bench {

inline void futex_wait(std::atomic<int>& word, int expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
inline void futex_wake_one(std::atomic<int>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

class futex_mutex {
 public:
  void lock() {
    int state = free;
    if (state_.compare_exchange_strong(state, held, std::memory_order_acquire, std::memory_order_relaxed)) return;
    if (state != waited_for) state = state_.exchange(waited_for, std::memory_order_acquire);
    while (state != free) {
      futex_wait(state_, waited_for);
      state = state_.exchange(waited_for, std::memory_order_acquire);
    }
  }
  void unlock() {
    if (state_.exchange(free, std::memory_order_release) == waited_for) futex_wake_one(state_);
  }

 private:
  enum : int { free, held, waited_for };
  std::atomic<int> state_{free};
};

}  // namespace bench
