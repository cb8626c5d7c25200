// SPDX-License-Identifier: BSL-1.0
//
// Where a coroutine keeps what it returns: nothing beside the value, and a flag only if somebody has to destroy it.
#pragma once

#include <concur/core/abi.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// The type of an object for the value of a task: a reference is wrapped.
template <class T>
using kept_type = std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>;

template <class T>
class task_result {
  static_assert(!std::is_rvalue_reference_v<T>, "a task cannot return an rvalue reference: return the object itself");
  static_assert(alignof(T) <= 2 * sizeof(void*), "a task cannot return an over-aligned object: return a pointer to it");

 public:
  task_result() noexcept {}
  ~task_result() {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      if (there_.yes) std::destroy_at(std::addressof(value_));
    }
  }

  template <class Value = T>
    requires std::constructible_from<T, Value>
  void return_value(Value&& value) noexcept(std::is_nothrow_constructible_v<T, Value>) {
    ::new (static_cast<void*>(std::addressof(value_))) T(std::forward<Value>(value));
    if constexpr (!std::is_trivially_destructible_v<T>) there_.yes = true;
  }

  /// Requires: it was returned.
  T&& take_value() noexcept { return std::move(value_); }

 private:
  struct flag {
    bool yes = false;
  };
  struct nothing {};

  union {
    std::remove_const_t<T> value_;
  };
  [[no_unique_address]] std::conditional_t<std::is_trivially_destructible_v<T>, nothing, flag> there_;
};

/// Whether a value can lie where the coroutine's place was, since it has ended, and needs nobody to destroy it.
template <class T>
inline constexpr bool fits_place = requires { requires sizeof(T) <= sizeof(void*); } &&
                                   std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>;

/// The same for such a value. `Promise` has `end_room()`, eight bytes.
template <class T, class Promise>
class result_in_place {
 public:
  template <class Value = T>
    requires std::constructible_from<T, Value>
  void return_value(Value&& value) noexcept(std::is_nothrow_constructible_v<T, Value>) {
    ::new (static_cast<Promise*>(this)->end_room()) T(std::forward<Value>(value));
  }

  /// Requires: it was returned.
  T&& take_value() noexcept {
    return std::move(*std::launder(static_cast<T*>(static_cast<Promise*>(this)->end_room())));
  }
};

template <class T>
class task_result<T&> {
 public:
  void return_value(T& value) noexcept { value_ = std::addressof(value); }
  T& take_value() const noexcept { return *value_; }

 private:
  T* value_ = nullptr;
};

template <>
class task_result<void> {
 public:
  void return_void() const noexcept {}
  void take_value() const noexcept {}
};

}  // namespace concur::inline CONCUR_ABI::detail
