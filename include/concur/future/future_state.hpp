// SPDX-License-Identifier: BSL-1.0
//
// What a future and the producer of its result share, in one recycled block. For the layers above, which derive from
// it: a pool's job is the state with the callable inside, a task's is the state beside its coroutine.
//
//     class job final : public future_state_with_room<int> { void run() { if (begin()) complete_with(function_); } … };
//     future<int> f(adopt_state, state);            // takes over one reference
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/future/future_state_base.hpp>
#include <concur/future/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// With the outcome, which lies right behind it, where the deriving class has room: future_state_with_room, or one that
/// has something there which it does not need any more by then. What making the value from its arguments throws becomes
/// the error.
template <class T>
class future_state : public future_state_base {
 public:
  /// Where the outcome lies.
  static constexpr std::size_t room_begins =
      (sizeof(future_state_base) + alignof(outcome<T>) - 1) / alignof(outcome<T>) * alignof(outcome<T>);

  /// Completes it with a value. Returns whether it was not completed before; then the arguments are used up.
  template <class... Arguments>
  bool complete_value(Arguments&&... arguments) noexcept {
    if (!this->stage().claim()) return false;
    store_value(std::forward<Arguments>(arguments)...);
    publish();
    return true;
  }

  /// Completes it with what `function(arguments…)` returns or throws. Requires: begun by the caller, who alone
  /// completes it.
  template <class Function, class... Arguments>
  void complete_with(Function&& function, Arguments&&... arguments) noexcept;

  /// Requires: done.
  outcome<T> const& result() const noexcept { return never_begun() ? cancelled_before() : room(); }

  /// Moves the value out, or throws the error. Requires: takeable, and the caller owns the only future. Throws misuse
  /// if it was taken before.
  T take() {
    note_taken();
    if (never_begun()) throw cancelled();
    return std::move(room()).value();
  }

  /// The same with the error as a value.
  outcome<T> take_outcome() {
    note_taken();
    if (never_begun()) return outcome<T>(std::make_exception_ptr(cancelled()));
    if (failed()) return outcome<T>(room().error());  // a copy: who asks for the error later shall find it
    return std::move(room());
  }
  using future_state_base::taken;

 protected:
  future_state() noexcept {}
  using future_state_base::future_state_base;
  ~future_state() override {
    if (!has_outcome() || never_begun()) return;
    report_error_not_taken();
    std::destroy_at(&room());
  }

  template <class... Arguments>
  void store_value(Arguments&&... arguments) noexcept;
  /// What `function(arguments…)` returns or throws.
  template <class Function, class... Arguments>
  void store_result_of(Function&& function, Arguments&&... arguments) noexcept;
  void store_error(std::exception_ptr error) noexcept final {
    ::new (place()) outcome<T>(std::move(error));
    set_kind(kind::error);
  }
  std::exception_ptr stored_error() const noexcept final { return result().error(); }

 private:
  void note_taken() {
    if (taken()) throw misuse("the result of a future was taken twice");
    set_taken();
  }

  // The outcome is there once kind says so.
  void* place() noexcept { return reinterpret_cast<std::byte*>(this) + room_begins; }
  outcome<T>& room() noexcept { return *std::launder(static_cast<outcome<T>*>(place())); }
  outcome<T> const& room() const noexcept { return const_cast<future_state&>(*this).room(); }

  // What those have who have no room for it.
  static outcome<T> const& cancelled_before() noexcept {
    static auto const& made = *new outcome<T>(std::make_exception_ptr(cancelled()));  // never destroyed
    return made;
  }
};

/// The same with room of its own.
template <class T>
class future_state_with_room : public future_state<T> {
 protected:
  future_state_with_room() noexcept = default;
  using future_state<T>::future_state;

 private:
  struct {
    alignas(outcome<T>) std::byte bytes[sizeof(outcome<T>)];
  } room_;  // where future_state looks for it, since nothing comes before
};

template <class T>
template <class... Arguments>
void future_state<T>::store_value(Arguments&&... arguments) noexcept {
  if constexpr (std::is_nothrow_constructible_v<stored_value<T>, Arguments...>) {
    ::new (place()) outcome<T>(std::in_place, std::forward<Arguments>(arguments)...);
  } else {
    try {
      ::new (place()) outcome<T>(std::in_place, std::forward<Arguments>(arguments)...);
    } catch (...) {
      return store_error(std::current_exception());
    }
  }
  set_kind(kind::value);
}

template <class T>
template <class Function, class... Arguments>
void future_state<T>::store_result_of(Function&& function, Arguments&&... arguments) noexcept {
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
}

template <class T>
template <class Function, class... Arguments>
void future_state<T>::complete_with(Function&& function, Arguments&&... arguments) noexcept {
  store_result_of(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  publish();
}

}  // namespace concur::inline CONCUR_ABI
