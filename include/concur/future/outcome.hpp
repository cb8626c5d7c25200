// SPDX-License-Identifier: BSL-1.0
//
// How something ended: with a value or with an error. What callbacks of futures are given.
//
//     f.on_done([](concur::outcome<int> const& how) {
//       if (how) show(how.value()); else log(how.error());
//     });
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace concur::inline CONCUR_ABI {

/// What stands for a value of type T where an object is needed: T itself, and for void an object without a value.
template <class T>
using stored_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// A value or an error, never neither. Copies and moves as its value does. As thread-safe as its value.
template <class T>
class outcome {
  static_assert(!std::is_reference_v<T>,
                "futures and outcomes hold objects: take a pointer or std::reference_wrapper instead of a reference");
  static_assert(std::is_void_v<T> ||
                    (std::is_object_v<T> && !std::is_array_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>),
                "futures and outcomes hold plain objects: neither arrays nor const types");
  static_assert(std::is_void_v<T> || std::is_destructible_v<T>, "futures and outcomes destroy their value");
  using stored = stored_value<T>;

 public:
  using value_type = T;

  /// A value, made in place; for void from nothing.
  template <class... Arguments>
    requires std::is_constructible_v<stored, Arguments...>
  explicit outcome(std::in_place_t, Arguments&&... arguments)
      : how_(std::in_place_index<0>, std::forward<Arguments>(arguments)...) {}

  /// An error. Throws misuse if it is null.
  explicit outcome(std::exception_ptr error) : how_(std::in_place_index<1>, std::move(error)) {
    if (std::get<1>(how_) == nullptr) throw misuse("an outcome was made of an error that is null");
  }

  bool has_value() const noexcept { return how_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value, nothing for void. Throws the error if there is one. The second form moves it out.
  std::add_lvalue_reference_t<T const> value() const&
    requires(!std::is_void_v<T>)
  {
    throw_error();
    return *std::get_if<0>(&how_);
  }
  T value() && {
    throw_error();
    if constexpr (!std::is_void_v<T>) return std::move(*std::get_if<0>(&how_));
  }
  void value() const&
    requires std::is_void_v<T>
  {
    throw_error();
  }

  /// The value as an object, also for void.
  stored const& stored_or_throw() const& {
    throw_error();
    return *std::get_if<0>(&how_);
  }
  stored stored_or_throw() && {
    throw_error();
    return std::move(*std::get_if<0>(&how_));
  }

  /// The error, null if there is none.
  std::exception_ptr error() const noexcept { return has_value() ? nullptr : *std::get_if<1>(&how_); }

 private:
  void throw_error() const {
    if (!has_value()) [[unlikely]]
      std::rethrow_exception(*std::get_if<1>(&how_));
  }

  std::variant<stored, std::exception_ptr> how_;
};

}  // namespace concur::inline CONCUR_ABI
