// SPDX-License-Identifier: BSL-1.0
//
// The explorer's std::atomic. Same syntax; every operation also takes the place of its caller. Outside an execution
// it is a plain variable.
#pragma once

#include <concur/testing/engine/blocking.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace concur::testing::engine {

template <class T>
constexpr value_kind kind_of() noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return value_kind::boolean;
  } else if constexpr (std::is_pointer_v<T>) {
    return value_kind::pointer;
  } else if constexpr (std::is_integral_v<T>) {
    return std::is_signed_v<T> ? value_kind::number : value_kind::unsigned_number;
  } else {
    return value_kind::opaque;
  }
}

/// The order a failed compare-exchange has when only one is given.
constexpr std::memory_order failure_order(std::memory_order order) noexcept {
  if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
  if (order == std::memory_order_release) return std::memory_order_relaxed;
  return order;
}

template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8,
                "an explored atomic holds eight plain bytes at most");
  static constexpr auto seq_cst = std::memory_order_seq_cst;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  constexpr atomic() noexcept : value_{} {}
  constexpr atomic(T value) noexcept : value_(value) {}
  atomic(atomic const&) = delete;
  atomic& operator=(atomic const&) = delete;

  T load(std::memory_order order = seq_cst, site at = site::here()) const noexcept {
    machine* const m = running();
    return m == nullptr ? value_ : narrow(m->load(as("load", at), order));
  }

  void store(T value, std::memory_order order = seq_cst, site at = site::here()) noexcept {
    if (machine* const m = running()) m->store(as("store", at), widen(value), order);
    value_ = value;
  }

  T exchange(T value, std::memory_order order = seq_cst, site at = site::here()) noexcept {
    return update("exchange", [value](T) { return value; }, order, at);
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order order = seq_cst,
                               site at = site::here()) noexcept {
    return compare_exchange("compare_exchange_strong", expected, desired, order, failure_order(order), false, at);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order, std::memory_order failure,
                               site at = site::here()) noexcept {
    return compare_exchange("compare_exchange_strong", expected, desired, order, failure, false, at);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order = seq_cst,
                             site at = site::here()) noexcept {
    return compare_exchange("compare_exchange_weak", expected, desired, order, failure_order(order), true, at);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order, std::memory_order failure,
                             site at = site::here()) noexcept {
    return compare_exchange("compare_exchange_weak", expected, desired, order, failure, true, at);
  }

  T fetch_add(T by, std::memory_order order = seq_cst, site at = site::here()) noexcept
    requires std::is_integral_v<T>
  {
    return update("fetch_add", [by](T old) { return static_cast<T>(bits(old) + bits(by)); }, order, at);
  }
  T fetch_sub(T by, std::memory_order order = seq_cst, site at = site::here()) noexcept
    requires std::is_integral_v<T>
  {
    return update("fetch_sub", [by](T old) { return static_cast<T>(bits(old) - bits(by)); }, order, at);
  }
  T fetch_or(T with, std::memory_order order = seq_cst, site at = site::here()) noexcept
    requires std::is_integral_v<T>
  {
    return update("fetch_or", [with](T old) { return static_cast<T>(old | with); }, order, at);
  }
  T fetch_and(T with, std::memory_order order = seq_cst, site at = site::here()) noexcept
    requires std::is_integral_v<T>
  {
    return update("fetch_and", [with](T old) { return static_cast<T>(old & with); }, order, at);
  }
  T fetch_xor(T with, std::memory_order order = seq_cst, site at = site::here()) noexcept
    requires std::is_integral_v<T>
  {
    return update("fetch_xor", [with](T old) { return static_cast<T>(old ^ with); }, order, at);
  }

  /// For futex_wait.
  access as(char const* verb, site at) const noexcept { return {id_, widen(value_), verb, kind_of<T>(), at}; }

 private:
  // Unsigned arithmetic wraps, as the standard's atomics do.
  static constexpr std::uint64_t bits(T value) noexcept { return static_cast<std::uint64_t>(value); }

  static std::uint64_t widen(T value) noexcept {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<std::uint64_t>(value);
    } else {
      std::uint64_t out = 0;
      std::memcpy(&out, &value, sizeof value);
      return out;
    }
  }
  static T narrow(std::uint64_t value) noexcept {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(value);
    } else {
      T out;
      std::memcpy(static_cast<void*>(&out), &value, sizeof out);
      return out;
    }
  }

  template <class F>
  T update(char const* verb, F next, std::memory_order order, site at) noexcept {
    machine* const m = running();
    if (m == nullptr) {
      T const old = value_;
      value_ = next(old);
      return old;
    }
    T const old = narrow(m->update(as(verb, at), [&](std::uint64_t v) { return widen(next(narrow(v))); }, order));
    value_ = next(old);
    return old;
  }

  bool compare_exchange(char const* verb, T& expected, T desired, std::memory_order order, std::memory_order failure,
                        bool weak, site at) noexcept {
    machine* const m = running();
    std::uint64_t found = widen(expected);
    if (m == nullptr) {
      bool const same = widen(value_) == found;
      (same ? value_ : expected) = same ? desired : value_;
      return same;
    }
    if (m->compare_exchange(as(verb, at), found, widen(desired), order, failure, weak)) {
      value_ = desired;
      return true;
    }
    expected = narrow(found);
    return false;
  }

  mutable identity id_;  // first: its address is the atomic's
  T value_;              // the newest
};

inline void atomic_thread_fence(std::memory_order order, site at = site::here()) noexcept {
  if (machine* const m = running()) m->fence(order, at);
}

}  // namespace concur::testing::engine
