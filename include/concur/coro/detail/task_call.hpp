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

#include <concepts>
#include <functional>
#include <string_view>
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

/// A name for the task that `f` gives, since it is no argument of `f`.
template <class Name, class Function>
concept names_task_of =
    gives_task<Function> && std::convertible_to<Name, std::string_view> && !gives_task<Function, std::decay_t<Name>>;

/// `f(arguments…)` as a task that owns both.
template <class Function, class... Arguments>
std::invoke_result_t<Function&, Arguments...> call_task(Function f, Arguments... arguments) {
  auto body = std::invoke(f, std::move(arguments)...);
  co_return co_await std::move(body);
}

/// A task of something that can be kept.
template <class T>
task<std::reference_wrapper<T>> wrap_reference(task<T&> body) {
  T& found = co_await std::move(body);
  co_return std::reference_wrapper<T>(found);
}

/// Where what is started here runs.
inline executor& executor_of_caller() {
  if (task_context const* const task = current_task()) return task->where();
  if (executor* const here = current_executor()) return *here;
  throw misuse("a task was spawned where nothing runs it: give an executor, or call it inside run()");
}

}  // namespace concur::inline CONCUR_ABI::detail
