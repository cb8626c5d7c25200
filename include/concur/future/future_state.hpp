// SPDX-License-Identifier: BSL-1.0
//
// What a future and the producer of its result share, in one recycled block. For the layers above, which derive from
// it: a pool's job is the state with the callable inside, a task's is the state beside its coroutine.
//
//     class job final : public future_state<int> { void run() { if (begin()) complete_with(function_); } … };
//     future<int> f(adopt_state, state);            // takes over one reference
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/future/future_state_base.hpp>
#include <concur/future/outcome.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// With the outcome. What making the value from its arguments throws becomes the error.
template <class T>
class future_state : public future_state_base {
 public:
  /// Completes it with a value. Returns whether it was not completed before; then the arguments are used up.
  template <class... Arguments>
  bool complete_value(Arguments&&... arguments) noexcept {
    if (!claim()) return false;
    store_value(std::forward<Arguments>(arguments)...);
    publish();
    return true;
  }

  /// Completes it with what `function(arguments…)` returns or throws. Requires: begun by the caller, who alone
  /// completes it.
  template <class Function, class... Arguments>
  void complete_with(Function&& function, Arguments&&... arguments) noexcept;

  /// Requires: done.
  outcome<T> const& result() const noexcept { return outcome_; }

  /// Moves the value out, or throws the error. Requires: takeable, and the caller owns the only future. Throws misuse
  /// if it was taken before.
  T take() { return take_outcome().value(); }

  /// The same with the error as a value.
  outcome<T>&& take_outcome() {
    if (taken_.get()) throw misuse("the result of a future was taken twice");
    taken_.set(true);
    if (failed()) note_error_taken();
    return std::move(outcome_);
  }
  bool taken() const noexcept { return taken_.get(); }

 protected:
  future_state() noexcept {}
  explicit future_state(std::uint32_t references) noexcept : future_state_base(references) {}
  ~future_state() override {
    if (!has_outcome()) return;
    report_error_not_taken();
    std::destroy_at(&outcome_);
  }

  template <class... Arguments>
  void store_value(Arguments&&... arguments) noexcept;
  void store_error(std::exception_ptr error) noexcept final {
    ::new (static_cast<void*>(&outcome_)) outcome<T>(std::move(error));
    set_kind(kind::error);
  }
  std::exception_ptr stored_error() const noexcept final { return outcome_.error(); }

 private:
  union {
    outcome<T> outcome_;  // there once kind says so
  };
  os::plain<bool> taken_{false};  // by the owner of the only future
};

template <class T>
template <class... Arguments>
void future_state<T>::store_value(Arguments&&... arguments) noexcept {
  if constexpr (std::is_nothrow_constructible_v<stored_value<T>, Arguments...>) {
    ::new (static_cast<void*>(&outcome_)) outcome<T>(std::in_place, std::forward<Arguments>(arguments)...);
  } else {
    try {
      ::new (static_cast<void*>(&outcome_)) outcome<T>(std::in_place, std::forward<Arguments>(arguments)...);
    } catch (...) {
      return store_error(std::current_exception());
    }
  }
  set_kind(kind::value);
}

template <class T>
template <class Function, class... Arguments>
void future_state<T>::complete_with(Function&& function, Arguments&&... arguments) noexcept {
  try {
    if constexpr (std::is_void_v<T>) {
      std::invoke(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
      store_value();
    } else {
      store_value(std::invoke(std::forward<Function>(function), std::forward<Arguments>(arguments)...));
    }
  } catch (...) {
    store_error(std::current_exception());
  }
  publish();
}

}  // namespace concur::inline CONCUR_ABI
