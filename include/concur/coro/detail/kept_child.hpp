// SPDX-License-Identifier: BSL-1.0
//
// A child of a nursery that keeps its result in place, for a parent that asks for it afterwards.
#pragma once

#include <concur/coro/detail/nursery.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/future/outcome.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

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
  std::exception_ptr take_own_error() noexcept { return std::move(error_); }
  stored take_value() { return std::move(*value_); }

  /// How it ended; `cancelled` if it never began.
  outcome<value_type> take_outcome() {
    if (value_) return outcome<value_type>(std::in_place, take_value());
    return outcome<value_type>(error_ ? take_own_error() : std::make_exception_ptr(concur::cancelled()));
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
      error_ = std::current_exception();
      failed_ = around.counts(error_);
    }
  }
  void leave() const noexcept {}

  std::optional<stored> value_;
  std::exception_ptr error_;
  bool failed_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
