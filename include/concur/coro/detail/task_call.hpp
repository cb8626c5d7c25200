// SPDX-License-Identifier: BSL-1.0
//
// What starting a task needs beside the task: a callable that gives one, kept alive with its arguments, and the
// executor of whoever starts it.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

template <class T>
constexpr bool is_task = false;
template <class T>
constexpr bool is_task<task<T>> = true;

template <class T>
constexpr bool is_future = false;
template <class T>
constexpr bool is_future<future<T>> = true;

template <class Function, class... Arguments>
concept gives_task = requires { requires is_task<std::invoke_result_t<Function&, Arguments...>>; };

/// `f(arguments…)` as a task that owns both.
template <class Function, class... Arguments>
std::invoke_result_t<Function&, Arguments...> call_task(Function f, Arguments... arguments) {
  auto body = std::invoke(f, std::move(arguments)...);
  co_return co_await std::move(body);
}

/// Where what is started here runs.
inline executor& executor_of_caller() {
  if (task_context const* const task = current_task()) return task->where();
  if (executor* const here = current_executor()) return *here;
  throw misuse("a task was spawned where nothing runs it: give an executor, or call it inside run()");
}

}  // namespace concur::inline CONCUR_ABI::detail
