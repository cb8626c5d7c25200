// SPDX-License-Identifier: BSL-1.0
//
// A part of a task that can be cancelled by itself, by hand or at a deadline. Trio's CancelScope.
//
//     concur::cancel_scope search;
//     button.on_click([&] { search.cancel(); });
//     search.cancel_after(10s);
//     std::optional<page> found = co_await search.run(look_for(word));     // nothing if it was cancelled
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/coro/detail/scoped_operation.hpp>
#include <concur/coro/detail/timed_scope.hpp>

#include <chrono>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// For one operation. While it is cancelled every wait in the operation, and in what is awaited or scoped inside it,
/// ends or is refused, until the operation has ended. Tasks that are spawned there are not in it.
///
/// `cancel`, `cancel_called`, `deadline` and `cancel_after` may be called from any thread while the object lives; where
/// the tasks of the operation's executor belong to one thread, others only leave a message there. It must not be
/// destroyed while its operation runs, or before the task that `run` gave.
class cancel_scope {
 public:
  cancel_scope() noexcept = default;
  cancel_scope(cancel_scope const&) = delete;
  cancel_scope& operator=(cancel_scope const&) = delete;

  /// Cancels the operation: now, or as soon as it runs. Nothing of it runs inside the call. If it has ended, nothing
  /// happens.
  void cancel() noexcept { scope_.cancel(); }

  /// Whether it was cancelled, by `cancel` or by its deadline. That does not mean that the operation gave up.
  [[nodiscard]] bool cancel_called() const noexcept { return scope_.cancel_called(); }

  /// Cancels it at that moment, in the time of its executor, instead of when was said before: also while it runs.
  /// `time_point::max()` is never. The moment on another clock: how far away that is is asked now.
  template <class Clock, class Duration>
  void deadline(std::chrono::time_point<Clock, Duration> const& when) noexcept(noexcept(Clock::now())) {
    scope_.set_limit(time_limit::at(when));
  }

  /// The same, so long from now, or from the start of the operation if that has not begun.
  template <class Rep, class Period>
  void cancel_after(std::chrono::duration<Rep, Period> const& length) noexcept {
    scope_.set_limit(time_limit::after(length));
  }

  /// `co_await scope.run(operation)` gives an optional with the value of the operation, or nothing if it gave up since
  /// this scope was cancelled: it threw `cancelled`. For void it gives a bool. A value that came all the same is
  /// returned, and every other error is thrown. If the task or a scope around this one is cancelled too, `cancelled`
  /// goes on to there. A reference comes as std::reference_wrapper.
  ///
  /// The operation is one of
  /// - a task, moved, or a callable that gives one with its arguments, of which copies are kept: gives a task;
  /// - a future, which is owned if it is moved, and cancelled with the scope in any case: gives a task if moved;
  /// - anything else that can be awaited: `co_await scope.run(q.async_get())`, in one expression.
  ///
  /// Once: a second time throws misuse. Throws std::bad_alloc; then the operation does not begin.
  template <class Operation, class... Arguments>
  [[nodiscard]] auto run(Operation&& operation, Arguments&&... arguments) {
    return detail::in_scope<detail::or_nothing>(detail::scope_of_user(scope_), std::forward<Operation>(operation),
                                                std::forward<Arguments>(arguments)...);
  }

 private:
  detail::timed_scope scope_;
};

}  // namespace concur::inline CONCUR_ABI
