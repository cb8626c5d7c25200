// SPDX-License-Identifier: BSL-1.0
//
// Memberships of a pool for threads from outside, that take part in a parallel algorithm.
#pragma once

#include <concur/core/os.hpp>
#include <concur/pool/detail/fork.hpp>
#include <concur/pool/detail/pool_member.hpp>

#include <bit>
#include <cstddef>
#include <memory>

namespace concur::inline CONCUR_ABI::detail {

/// Any thread may call any member.
class pool_guests {
 public:
  explicit pool_guests(pool_state& pool) : seats_(new pool_member[seats]) {
    for (unsigned i = 0; i < seats; ++i) seats_[i].pool = &pool;
  }

  /// Null when all are taken.
  pool_member* admit() noexcept;
  void dismiss(pool_member& guest) noexcept {
    // release: the next guest finds the deque as it was left.
    free_.fetch_or(1u << unsigned(&guest - seats_.get()), std::memory_order_release);
  }

  /// Those who are there at one moment: a bit for each.
  using set = unsigned;
  // relaxed: a hint; a guest whose forks nobody sees runs them itself.
  set present() const noexcept { return ~free_.load(std::memory_order_relaxed) & all; }

  /// A fork of one of those, or null.
  fork* steal_from(set guests) noexcept {
    for (; guests != 0; guests &= guests - 1) {
      if (fork* const part = seats_[unsigned(std::countr_zero(guests))].forks.steal()) return part;
    }
    return nullptr;
  }

 private:
  static constexpr unsigned seats = CONCUR_EXPLORE ? 1 : 8;
  static constexpr set all = (1u << seats) - 1;

  std::unique_ptr<pool_member[]> const seats_;
  os::atomic<set> free_{all};  // of a guest's seat: cleared when it is admitted, set when it leaves
};

inline pool_member* pool_guests::admit() noexcept {
  unsigned free = free_.load(std::memory_order_relaxed);
  while (free != 0) {
    unsigned const lowest = free & (0 - free);
    // acquire: the deque as the last guest has left it.
    if (free_.compare_exchange_weak(free, free ^ lowest, std::memory_order_acquire, std::memory_order_relaxed)) {
      return &seats_[unsigned(std::countr_zero(lowest))];
    }
  }
  return nullptr;
}

}  // namespace concur::inline CONCUR_ABI::detail
