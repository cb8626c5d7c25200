// SPDX-License-Identifier: BSL-1.0
//
// Who shares a lock: kept in checked builds, where wrong use is reported, and nothing at all in others. For a lock that
// one party has alone there is core/lock_owner.hpp.
//
//     [[no_unique_address]] lock_sharers sharers_;
//     sharers_.joined();  …  sharers_.require_mine("unlock_shared() by a party that …");  sharers_.left();
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>

#include <cstddef>

namespace concur::inline CONCUR_ABI::detail {

template <bool Checked>
class basic_lock_sharers;

template <>
class basic_lock_sharers<false> {
 public:
  void joined() noexcept {}
  void joined_by_coroutine() noexcept {}
  void left() noexcept {}
  void require_mine(char const*) const noexcept {}
  void require_not_mine(char const*) const noexcept {}
};

/// Remembers as many parties as it has room for, and counts the others: while there are such, who has no share may be
/// taken for one of them, and is not reported. Who has one is never reported.
template <>
class basic_lock_sharers<true> {
 public:
  /// The calling party has a share now, or gives it up.
  void joined() noexcept {
    if (!replace(nullptr, current_party())) unknown_.fetch_add(1, std::memory_order_relaxed);
  }
  void left() noexcept {
    if (!replace(current_party(), nullptr)) unknown_.fetch_sub(1, std::memory_order_relaxed);
  }
  /// The same as `joined`, from an awaiter: a coroutine of a foreign type has no identity.
  void joined_by_coroutine() noexcept {
    if (current_task() == nullptr) {
      unknown_.fetch_add(1, std::memory_order_relaxed);
    } else {
      joined();
    }
  }

  /// Reports `sentence` as misuse when the calling party has no share, or when it has one.
  void require_mine([[maybe_unused]] char const* sentence) const {
    CONCUR_ASSERT(is_known() || unknown_.load(std::memory_order_relaxed) != 0, sentence);
  }
  void require_not_mine([[maybe_unused]] char const* sentence) const { CONCUR_ASSERT(!is_known(), sentence); }

 private:
  static constexpr std::size_t room = 16;
  using place = os::machine_atomic<void const*>;

  // relaxed: a party only looks for itself, and its own writes it sees in order.
  bool is_known() const noexcept {
    void const* const me = current_party();
    for (place const& each : parties_) {
      if (each.load(std::memory_order_relaxed) == me) return true;
    }
    return false;
  }
  bool replace(void const* before, void const* after) noexcept {
    for (place& each : parties_) {
      void const* expected = before;
      if (each.compare_exchange_strong(expected, after, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  // Written and cleared by the party that stands there, read by everybody, for comparison only. Not explored, as it is
  // no part of any algorithm.
  place parties_[room] = {};
  os::machine_atomic<std::size_t> unknown_{0};
};

using lock_sharers = basic_lock_sharers<CONCUR_CHECKED>;

}  // namespace concur::inline CONCUR_ABI::detail
