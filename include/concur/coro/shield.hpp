// SPDX-License-Identifier: BSL-1.0
//
// Something that a cancel of the one who waits for it does not end. Python's asyncio.shield.
//
//     co_await concur::shield(save(document));     // goes on to its end, whatever happens to this task
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/future.hpp>
#include <concur/future/shared_future.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

namespace detail {

/// Takes the result of a future without owning it: a cancel ends the wait, and the future is as before.
template <class T>
class [[nodiscard]] wait_to_take final : public waiting_awaiter<wait_to_take<T>> {
 public:
  explicit wait_to_take(future<T>& awaited) : state_(future_access::state(awaited)) {
    state_.require_not_in_callback();
  }

  T await_resume() {
    this->throw_if_stopped();
    return state_.take();
  }

 private:
  friend waiting_awaiter<wait_to_take<T>>;
  bool attempt() const noexcept { return state_.takeable(); }
  bool enqueue(waiter& arriving) const noexcept { return state_.enqueue(arriving); }
  bool withdraw(waiter& leaving) const noexcept { return state_.withdraw(leaving); }

  future_state<T>& state_;
};

template <class T>
task<T> run_shielded(owned_coroutine<T> body, source_place place) {
  auto running = spawn(task<T>(body.release()), {}, place);
  co_return co_await wait_to_take<kept_type<T>>(running);
}

}  // namespace detail

/// `co_await shield(operation)`, of a task: spawns it on the executor of the task that awaits, as one of its own, and
/// waits for its result. A cancel ends the wait only; the operation goes on, and an error that it throws then goes to
/// the hook for unhandled errors. In a task that is cancelled already it is started all the same, and the wait throws
/// `cancelled`. It belongs to its executor, which may end it when that goes.
///
/// Costs three recycled blocks. Throws std::bad_alloc; then the operation does not begin.
template <class T>
[[nodiscard]] task<T> shield(task<T> operation, source_place place = __builtin_source_location()) {
  return detail::run_shielded<T>(owned_coroutine<T>(std::move(operation)), place);
}

/// The same for `f()`, which gives a task; a copy of `f` is kept until that has ended.
template <class Function>
  requires detail::gives_task<Function>
[[nodiscard]] auto shield(Function f, source_place place = __builtin_source_location()) {
  return shield(detail::call_task(std::move(f)), place);
}

/// The same for `f(arguments…)`, with copies of the arguments; as for `spawn`, there is no room for a place behind
/// them.
template <class Function, class First, class... Rest>
  requires detail::gives_task<Function, First, Rest...>
[[nodiscard]] auto shield(Function f, First first, Rest... rest) {
  return shield(detail::call_task(std::move(f), std::move(first), std::move(rest)...), nullptr);
}

/// Waits for a future that stays the caller's: a cancel ends the wait only, and the future can be awaited again.
template <class T>
[[nodiscard]] auto shield(future<T>& f) {
  return detail::wait_to_take<T>(f);
}

/// As awaiting it without a shield, which does not own it either.
template <class T>
[[nodiscard]] auto shield(shared_future<T> const& f) {
  return f.operator co_await();
}

}  // namespace concur::inline CONCUR_ABI
