// SPDX-License-Identifier: BSL-1.0
//
// An operation with a time limit. Python's asyncio.timeout and Trio's move_on_after.
//
//     page const p = co_await concur::timeout(2s, fetch(url));                        // or throws timed_out
//     std::optional<item> const i = co_await concur::move_on_after(2s, q.async_get());   // or nothing
//
// When the limit has passed the operation is cancelled, and waited for: what it holds it has given back by then, and
// nothing that it took is lost. If it succeeds all the same, its value counts.
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/coro/detail/scoped_operation.hpp>
#include <concur/coro/detail/timed_scope.hpp>

#include <chrono>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// `co_await timeout(limit, operation)` gives what the operation gives, or throws `timed_out` if it gave up because of
/// the limit. Every other error is thrown as it is, and `cancelled` if the task is cancelled.
///
/// The limit counts from the moment when the operation begins, in the time of the task's executor. A limit of zero or
/// less: the operation begins all the same, and is cancelled at its first wait. `hours::max()` is no limit.
///
/// The operation is one of
/// - a task, moved, or a callable that gives one with its arguments, of which copies are kept: gives a task, which can
///   be spawned as well;
/// - a future: if moved, it is owned, and the result is a task; in any case it is cancelled at the limit;
/// - anything else that can be awaited: `co_await timeout(2s, q.async_get())`, in one expression.
///
/// Costs one recycled block, and a timer if the operation waits. Throws std::bad_alloc; then the operation does not
/// begin.
template <class Rep, class Period, class Operation, class... Arguments>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> const& limit, Operation&& operation,
                           Arguments&&... arguments) {
  return detail::in_scope<detail::or_timed_out>(detail::scope_of_call(time_limit::after(limit)),
                                                std::forward<Operation>(operation),
                                                std::forward<Arguments>(arguments)...);
}

/// The same until a moment. For another clock than the steady one: how far away that is is asked when this is called.
template <class Clock, class Duration, class Operation, class... Arguments>
[[nodiscard]] auto timeout_at(std::chrono::time_point<Clock, Duration> const& limit, Operation&& operation,
                              Arguments&&... arguments) {
  return detail::in_scope<detail::or_timed_out>(detail::scope_of_call(time_limit::at(limit)),
                                                std::forward<Operation>(operation),
                                                std::forward<Arguments>(arguments)...);
}

/// As `timeout`, but an operation that gave up is no error: gives an optional with the value, or nothing. For void a
/// bool: whether it ended by itself. A reference comes as std::reference_wrapper.
template <class Rep, class Period, class Operation, class... Arguments>
[[nodiscard]] auto move_on_after(std::chrono::duration<Rep, Period> const& limit, Operation&& operation,
                                 Arguments&&... arguments) {
  return detail::in_scope<detail::or_nothing>(detail::scope_of_call(time_limit::after(limit)),
                                              std::forward<Operation>(operation),
                                              std::forward<Arguments>(arguments)...);
}

/// The same until a moment, as in `timeout_at`.
template <class Clock, class Duration, class Operation, class... Arguments>
[[nodiscard]] auto move_on_at(std::chrono::time_point<Clock, Duration> const& limit, Operation&& operation,
                              Arguments&&... arguments) {
  return detail::in_scope<detail::or_nothing>(detail::scope_of_call(time_limit::at(limit)),
                                              std::forward<Operation>(operation),
                                              std::forward<Arguments>(arguments)...);
}

}  // namespace concur::inline CONCUR_ABI
