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

  std::size_t count() const noexcept { return std::size_t(std::popcount(taken())); }

  /// A fork of one of them, or null.
  fork* steal() noexcept {
    for (unsigned guests = taken(); guests != 0; guests &= guests - 1) {
      if (fork* const part = seats_[unsigned(std::countr_zero(guests))].forks.steal()) return part;
    }
    return nullptr;
  }

 private:
  static constexpr unsigned seats = CONCUR_EXPLORE ? 1 : 8;
  static constexpr unsigned all = (1u << seats) - 1;
  // relaxed: a hint; a guest whose forks nobody sees runs them itself.
  unsigned taken() const noexcept { return ~free_.load(std::memory_order_relaxed) & all; }

  std::unique_ptr<pool_member[]> const seats_;
  os::atomic<unsigned> free_{all};
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
