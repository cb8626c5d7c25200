// SPDX-License-Identifier: BSL-1.0
//
// Where a coroutine keeps what it returns: nothing beside the value, and a flag only if somebody has to destroy it.
#pragma once

#include <concur/core/abi.hpp>

#include <concepts>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

template <class T>
class task_result {
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
