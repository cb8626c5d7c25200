// SPDX-License-Identifier: BSL-1.0
//
// Who holds a lock: kept in checked builds, where wrong use is reported, and nothing at all in others.
//
//     [[no_unique_address]] lock_owner owner_;
//     owner_.taken();  …  owner_.require_mine("unlock() by a party that does not hold the mutex");  owner_.given_up();
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>

namespace concur::inline CONCUR_ABI {

template <bool Checked>
class basic_lock_owner;

template <>
class basic_lock_owner<false> {
 public:
  void taken() noexcept {}
  void taken_by_coroutine() noexcept {}
  void given_up() noexcept {}
  void require_mine(char const*) const noexcept {}
  void require_not_mine(char const*) const noexcept {}
};

template <>
class basic_lock_owner<true> {
 public:
  /// The calling party has taken the lock.
  // relaxed, here and below: a party only looks for itself, and its own writes it sees in order.
  void taken() noexcept { party_.store(current_party(), std::memory_order_relaxed); }
  /// The same from an awaiter.
  void taken_by_coroutine() noexcept {
    if (current_task() == nullptr) {
      party_.store(&anybody_, std::memory_order_relaxed);
    } else {
      taken();
    }
  }
  void given_up() noexcept { party_.store(nullptr, std::memory_order_relaxed); }

  /// Reports `sentence` as misuse unless the calling party holds the lock, or if it does.
  void require_mine([[maybe_unused]] char const* sentence) const {
    CONCUR_ASSERT(holder() == current_party() || holder() == &anybody_, sentence);
  }
  void require_not_mine([[maybe_unused]] char const* sentence) const {
    CONCUR_ASSERT(holder() != current_party(), sentence);
  }

 private:
  void const* holder() const noexcept { return party_.load(std::memory_order_relaxed); }

  // Stands for a coroutine of a foreign type: it has no identity that its later calls could show.
  static constexpr char anybody_ = 0;

  // Written by the holder; read by everybody, for comparison only. Not explored: it is no part of any algorithm.
  os::machine_atomic<void const*> party_{nullptr};
};

using lock_owner = basic_lock_owner<CONCUR_CHECKED>;

}  // namespace concur::inline CONCUR_ABI
