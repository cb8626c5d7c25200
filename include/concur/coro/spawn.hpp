// SPDX-License-Identifier: BSL-1.0
//
// Starts a task beside the one that runs. Python's create_task and run_coroutine_threadsafe.
//
//     concur::future<int> f = concur::spawn(count(words), "counter");     // in a task or a callback of a loop
//     concur::future<int> g = concur::spawn(pool, count(words));          // from any thread
//     concur::future<int> h = concur::spawn(pool, [&words](int limit) -> concur::task<int> { … }, 10);
//     concur::future<int> i = concur::spawn([&words]() -> concur::task<int> { … }, "counter");
//     int const n = co_await f;
//
// For users of GCC 12: inside a co_await expression capture by reference, or name the lambda first.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/spawned.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include <string_view>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Runs `body` on `where`, as a task of its own: it begins some time after the call, and goes on while nobody looks.
/// The future gives its result, a reference as std::reference_wrapper. A cancel of the future before it has begun means
/// that it never begins; afterwards every wait in the task ends, and every later one is refused. (From a thread other
/// than a loop's this takes a message to the loop. If there is no memory for one, the wait in which the task is goes
/// on, and the next one is refused.) Dropping the future leaves the task to its executor, which ends it or waits for it
/// before it goes.
///
/// Any thread, as long as `where` lives. Costs one recycled block, and one more for a name, which is copied, or for a
/// reference. Throws std::bad_alloc; for a task without a coroutine, misuse; and what the executor refuses it with: a
/// pool by `closed` after a shutdown, an event loop by misuse after it was closed. Then `body` is destroyed.
template <class T>
future<detail::kept_type<T>> spawn(executor& where, task<T> body, std::string_view name = {},
                                   source_place place = __builtin_source_location()) {
  return spawn(where, owned_coroutine<T>(std::move(body)), task_origin(place, name));
}

/// The same for those who hold the coroutine already.
template <class T>
future<detail::kept_type<T>> spawn(executor& where, owned_coroutine<T> body, task_origin origin) {
  if constexpr (std::is_reference_v<T>) {
    owned_coroutine wrapped(detail::wrap_reference(task<T>(body.release())));
    return detail::spawned<detail::kept_type<T>>::start(where, std::move(wrapped), std::move(origin));
  } else {
    return detail::spawned<T>::start(where, std::move(body), std::move(origin));
  }
}

/// The same on the executor of the task that runs here, or of the thread. Throws misuse where there is none.
template <class T>
future<detail::kept_type<T>> spawn(task<T> body, std::string_view name = {},
                                   source_place place = __builtin_source_location()) {
  owned_coroutine<T> owned(std::move(body));
  executor& here = detail::executor_of_caller();
  if constexpr (std::is_reference_v<T>) {
    return spawn(here, std::move(owned), task_origin(place, name));
  } else {
    return detail::spawned<T>::start_here(here, std::move(owned), task_origin(place, name));
  }
}

/// Runs `f()`, which gives a task, and keeps a copy of `f` until that has ended: for lambdas with captures, which
/// otherwise die before their coroutine does.
template <class Function>
  requires detail::gives_task<Function>
auto spawn(executor& where, Function f, source_place place = __builtin_source_location()) {
  return spawn(where, detail::call_task(std::move(f)), {}, place);
}
template <class Function>
  requires detail::gives_task<Function>
auto spawn(Function f, source_place place = __builtin_source_location()) {
  return spawn(detail::executor_of_caller(), detail::call_task(std::move(f)), {}, place);
}

/// The same with a name. A text is the name if `f` cannot be called with it, and an argument otherwise.
template <class Function, class Name>
  requires detail::names_task_of<Name const&, Function>
auto spawn(executor& where, Function f, Name const& name, source_place place = __builtin_source_location()) {
  return spawn(where, detail::call_task(std::move(f)), name, place);
}
template <class Function, class Name>
  requires detail::names_task_of<Name const&, Function>
auto spawn(Function f, Name const& name, source_place place = __builtin_source_location()) {
  return spawn(detail::executor_of_caller(), detail::call_task(std::move(f)), name, place);
}

/// Runs `f(arguments…)` in the same way, with copies of the arguments. C++ leaves no room for a name and for the place
/// of the call behind them: `spawn(call_task(f, arguments…), "name")` has both (coro/task_function.hpp).
template <class Function, class First, class... Rest>
  requires detail::gives_task<Function, First, Rest...>
auto spawn(executor& where, Function f, First first, Rest... rest) {
  return spawn(where, detail::call_task(std::move(f), std::move(first), std::move(rest)...), {}, nullptr);
}
template <class Function, class First, class... Rest>
  requires detail::gives_task<Function, First, Rest...>
auto spawn(Function f, First first, Rest... rest) {
  return spawn(detail::executor_of_caller(), detail::call_task(std::move(f), std::move(first), std::move(rest)...), {},
               nullptr);
}

}  // namespace concur::inline CONCUR_ABI
