// SPDX-License-Identifier: BSL-1.0
//
// The store of `queue`: a ring when it has a bound, a container under a lock when it has none.
#pragma once

#include <concur/core/cache_line.hpp>
#include <concur/queue/detail/locked_store.hpp>
#include <concur/queue/ring.hpp>
#include <concur/queue/unbounded.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Which of the two is decided once, so the branch in each operation is one that the processor foresees.
template <class T>
class ring_or_locked {
 public:
  explicit ring_or_locked(std::size_t capacity) : bounded_(true), ring_(capacity) {}
  explicit ring_or_locked(unbounded_t) : bounded_(false), locked_(unbounded) {}
  ring_or_locked(ring_or_locked const&) = delete;
  ring_or_locked& operator=(ring_or_locked const&) = delete;
  ~ring_or_locked() {
    if (bounded_) {
      ring_.~ring();
    } else {
      locked_.~locked_type();
    }
  }

  ring_outcome push(T&& item) { return bounded_ ? ring_.push(std::move(item)) : locked_.push(std::move(item)); }
  template <class Take>
  ring_outcome pop(Take take) {
    return bounded_ ? ring_.pop(take) : locked_.pop(take);
  }
  ring_outcome push_if_ready(T&& item) {
    return bounded_ ? ring_.push_if_ready(std::move(item)) : locked_.push_if_ready(std::move(item));
  }
  template <class Take>
  ring_outcome pop_if_ready(Take take) {
    return bounded_ ? ring_.pop_if_ready(take) : locked_.pop_if_ready(take);
  }
  template <class Iterator>
  std::size_t push_many(Iterator from, std::size_t count) {
    return bounded_ ? ring_.push_many(from, count) : locked_.push_many(from, count);
  }
  template <class Take>
  std::size_t pop_many(std::size_t count, Take take) {
    return bounded_ ? ring_.pop_many(count, take) : locked_.pop_many(count, take);
  }
  bool close() { return bounded_ ? ring_.close() : locked_.close(); }
  bool is_closed() const { return bounded_ ? ring_.is_closed() : locked_.is_closed(); }
  std::size_t size() const { return bounded_ ? ring_.size() : locked_.size(); }
  std::size_t pushed() const { return bounded_ ? ring_.pushed() : locked_.pushed(); }
  std::size_t popped() const { return bounded_ ? ring_.popped() : locked_.popped(); }
  std::size_t capacity() const noexcept { return bounded_ ? ring_.capacity() : locked_.capacity(); }

 private:
  using locked_type = locked_store<T, fifo_elements<T>>;

  bool const bounded_;
  union {
    ring<T> ring_;        // if bounded_
    locked_type locked_;  // if not
  };
};

}  // namespace concur::inline CONCUR_ABI::detail
