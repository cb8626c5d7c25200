// SPDX-License-Identifier: BSL-1.0
//
// A lock for the library's own bookkeeping, four bytes, for sections of some dozen instructions that never block.
//
//     short_lock lock;
//     { std::lock_guard hold(lock); entries.push_back(entry); }
//
// It has no queue and no owner; users take `mutex` (sync/mutex.hpp).
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/spin.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// Requires: not locked twice by one party; unlocked by the party that locked it. Any thread; usable in static
/// storage before main and after it. May be destroyed as soon as the last unlock has been decided by another lock.
/// Algorithm: the three-state futex mutex of U. Drepper, "Futexes are tricky".
class short_lock {
 public:
  constexpr short_lock() noexcept = default;
  short_lock(short_lock const&) = delete;
  short_lock& operator=(short_lock const&) = delete;

  void lock() noexcept {
    std::uint32_t expected = open;
    if (!state_.compare_exchange_strong(expected, taken, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow();
    }
  }

  bool try_lock() noexcept {
    std::uint32_t expected = open;
    return state_.compare_exchange_strong(expected, taken, std::memory_order_acquire, std::memory_order_relaxed);
  }

  void unlock(os::site at = os::site::here()) noexcept {
    // Nothing of the lock is touched after this line but its address.
    if (state_.exchange(open, std::memory_order_release) == contended) os::futex_wake(&state_, 1, at);
  }

 private:
  enum : std::uint32_t {
    open = 0,
    taken = 1,
    contended = 2,  // taken, and somebody may sleep
  };

  [[gnu::noinline]] void lock_slow() noexcept {
    auto const attempt = [this] {
      // relaxed: only a hint whether the exchange is worth it.
      return state_.load(std::memory_order_relaxed) == open && try_lock();
    };
    if (spin_until(attempt)) return;
    while (state_.exchange(contended, std::memory_order_acquire) != open) os::futex_wait(state_, contended);
  }

  // Written and read by all parties; acquire on taking and release on letting go order what the lock protects.
  os::atomic<std::uint32_t> state_{open};
};

}  // namespace concur::inline CONCUR_ABI
