// SPDX-License-Identifier: BSL-1.0
//
// A store of elements that never waits for one, as a container under a lock: for queues without a bound, for orders
// other than first in, first out, and for elements whose moves can throw. The face is that of `ring`.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/queue/ring.hpp>
#include <concur/queue/unbounded.hpp>
#include <concur/sync/mutex.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// First in, first out. A deque, since it neither moves what is in it nor keeps the memory of what has left.
template <class T>
class fifo_elements {
 public:
  void push(T&& item) { elements_.push_back(std::move(item)); }
  template <class Take>
  void pop(Take& take) {
    take(std::move(elements_.front()));
    elements_.pop_front();
  }

 private:
  std::deque<T> elements_;
};

/// Last in, first out.
template <class T>
class lifo_elements {
 public:
  void push(T&& item) { elements_.push_back(std::move(item)); }
  template <class Take>
  void pop(Take& take) {
    take(std::move(elements_.back()));
    elements_.pop_back();
  }

 private:
  std::deque<T> elements_;
};

/// `Elements` gives `push(T&&)` and `pop(take)`, both with the strong guarantee: so whatever the elements' own members
/// throw, the element is either with the caller or in the store. These members run under the lock and must not use the
/// queue. Any thread.
template <class T, class Elements>
class locked_store {
 public:
  /// `order` is what the elements' container is made of.
  template <class... Order>
  explicit locked_store(std::size_t capacity, Order const&... order)
      : capacity_(capacity == 0 ? throw misuse("a queue needs room for one element at least") : capacity),
        elements_(order...) {}
  template <class... Order>
  explicit locked_store(unbounded_t, Order const&... order) : capacity_(SIZE_MAX), elements_(order...) {}

  /// Moves from the item only if it is done.
  ring_outcome push(T&& item) {
    std::lock_guard const hold(lock_);
    return push_locked(std::move(item));
  }

  /// Calls `take(T&&)` once if it is done. If that throws, the element stays.
  template <class Take>
  ring_outcome pop(Take take) {
    std::lock_guard const hold(lock_);
    return pop_locked(take);
  }

  /// The same: here they cost no more than they need.
  ring_outcome push_if_ready(T&& item) { return push(std::move(item)); }
  template <class Take>
  ring_outcome pop_if_ready(Take take) {
    return pop(take);
  }

  /// Puts in up to `count` elements, made of `*from` and what follows it; returns how many. The first that throws ends
  /// it, with the exception only if no other went in before.
  template <class Iterator>
  std::size_t push_many(Iterator from, std::size_t count) {
    std::lock_guard const hold(lock_);
    return repeat(count, [&] {
      bool done = false;
      if constexpr (std::is_same_v<decltype(*from), T&&>) {
        done = push_locked(*from) == ring_outcome::done;
      } else {
        done = !closed_.get() && size_.get() != capacity_ && push_locked(T(*from)) == ring_outcome::done;
      }
      if (done) ++from;
      return done;
    });
  }

  /// Takes up to `count` out; returns how many. Exceptions as above.
  template <class Take>
  std::size_t pop_many(std::size_t count, Take take) {
    std::lock_guard const hold(lock_);
    return repeat(count, [&] { return pop_locked(take) == ring_outcome::done; });
  }

  bool close() {
    std::lock_guard const hold(lock_);
    bool const first = !closed_.get();
    closed_.set(true);
    return first;
  }
  bool is_closed() const {
    std::lock_guard const hold(lock_);
    return closed_.get();
  }
  std::size_t size() const {
    std::lock_guard const hold(lock_);
    return size_.get();
  }
  /// How many elements have been put in, in its life.
  std::size_t pushed() const {
    std::lock_guard const hold(lock_);
    return pushed_.get();
  }
  /// How many have been taken out.
  std::size_t popped() const {
    std::lock_guard const hold(lock_);
    return pushed_.get() - size_.get();
  }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  ring_outcome push_locked(T&& item) {
    if (closed_.get()) return ring_outcome::closed;
    if (size_.get() == capacity_) return ring_outcome::refused;
    elements_.push(std::move(item));
    size_.set(size_.get() + 1);
    pushed_.set(pushed_.get() + 1);
    return ring_outcome::done;
  }

  template <class Take>
  ring_outcome pop_locked(Take& take) {
    if (size_.get() == 0) return closed_.get() ? ring_outcome::closed : ring_outcome::refused;
    elements_.pop(take);
    size_.set(size_.get() - 1);
    return ring_outcome::done;
  }

  template <class Step>
  static std::size_t repeat(std::size_t count, Step step) {
    std::size_t done = 0;
    try {
      while (done != count && step()) ++done;
    } catch (...) {
      if (done == 0) throw;
    }
    return done;
  }

  // The lock guards all that is below it.
  mutable mutex lock_;
  std::size_t const capacity_;
  os::plain<std::size_t> size_{0};
  os::plain<std::size_t> pushed_{0};
  os::plain<bool> closed_{false};
  Elements elements_;
};

}  // namespace concur::inline CONCUR_ABI::detail
