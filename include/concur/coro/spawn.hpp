// SPDX-License-Identifier: BSL-1.0
//
// Starts a task beside the one that runs. Python's create_task and run_coroutine_threadsafe.
//
//     concur::future<int> f = concur::spawn(count(words), "counter");     // in a task or a callback of a loop
//     concur::future<int> g = concur::spawn(pool, count(words));          // from any thread
//     concur::future<int> h = concur::spawn(pool, [&words](int limit) -> concur::task<int> { … }, 10);
//     int const n = co_await f;
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/task_origin.hpp>
#include <concur/coro/detail/spawned.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Runs `body` on `where`, as a task of its own: it begins some time after the call, and goes on while nobody looks.
/// The future gives its result. A cancel of the future before it has begun means that it never begins; afterwards
/// every wait in the task ends, and every later one is refused. Dropping the future leaves the task to its executor,
/// which ends it or waits for it before it goes.
///
/// Any thread, as long as `where` lives. Costs one recycled block, and one more for a name. Throws std::bad_alloc; for
/// a task without a coroutine, misuse; and what the executor refuses it with, as a pool does by `closed` after a
/// shutdown. Then `body` is destroyed.
template <class T>
future<T> spawn(executor& where, task<T> body, std::string_view name = {},
                source_place place = __builtin_source_location()) {
  owned_coroutine<T> owned(std::move(body));
  return detail::spawned<T>::start(where, std::move(owned), task_origin(place, name));
}

/// The same for those who hold the coroutine already.
template <class T>
future<T> spawn(executor& where, owned_coroutine<T> body, task_origin origin) {
  return detail::spawned<T>::start(where, std::move(body), std::move(origin));
}

/// The same on the executor of the task that runs here, or of the thread. Throws misuse where there is none.
template <class T>
future<T> spawn(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location()) {
  owned_coroutine<T> owned(std::move(body));
  return detail::spawned<T>::start(detail::executor_of_caller(), std::move(owned), task_origin(place, name));
}

/// Runs `f(arguments…)`, which gives a task, and keeps copies of both until that has ended: for lambdas with captures,
/// which otherwise die before their coroutine does.
template <class Function, class... Arguments>
  requires detail::gives_task<Function, Arguments...>
auto spawn(executor& where, Function f, Arguments... arguments) {
  return spawn(where, detail::call_task(std::move(f), std::move(arguments)...), {}, nullptr);
}
template <class Function, class... Arguments>
  requires detail::gives_task<Function, Arguments...>
auto spawn(Function f, Arguments... arguments) {
  return spawn(detail::executor_of_caller(), detail::call_task(std::move(f), std::move(arguments)...), {}, nullptr);
}

}  // namespace concur::inline CONCUR_ABI
