// SPDX-License-Identifier: BSL-1.0
//
// A child of a nursery that keeps its result in place, for a parent that asks for it afterwards.
#pragma once

#include <concur/coro/detail/nursery.hpp>
#include <concur/future/outcome.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// The type of an object for the value of a task: a reference is wrapped.
template <class T>
using kept_type = std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>;

/// Outlives the wait of its parent, which then reads it.
template <class T>
class kept_child final : public nursery_child<kept_child<T>, T> {
 public:
  using value_type = kept_type<T>;
  using stored = stored_value<value_type>;

  kept_child(nursery& around, task_origin origin) noexcept : base(around, std::move(origin)) {}

  /// Whether it ended with an error of its own.
  bool failed() const noexcept { return failed_; }

  /// Requires: failed, respectively not. Once. Moving the value may throw.
  std::exception_ptr take_own_error() noexcept { return this->take_error(); }
  stored take_value() { return std::move(*value_); }

  /// How it ended; `cancelled` if it never began.
  outcome<value_type> take_outcome() {
    if (value_) return outcome<value_type>(std::in_place, take_value());
    return outcome<value_type>(this->has_error() ? this->take_error() : std::make_exception_ptr(concur::cancelled()));
  }

 private:
  using base = nursery_child<kept_child, T>;
  friend base;

  void take(typename base::handle_type coroutine, nursery& around) noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        coroutine.promise().take();
        value_.emplace();
      } else {
        value_.emplace(coroutine.promise().take());
      }
    } catch (...) {
      auto error = std::current_exception();
      failed_ = around.counts(error);
      this->set_error(std::move(error));
    }
  }
  void leave() const noexcept {}

  std::optional<stored> value_;
  bool failed_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
