// SPDX-License-Identifier: BSL-1.0
//
// A callable that gives a task, and the task that keeps it alive: a coroutine uses the captures of its lambda, and so
// the lambda has to outlive it.
//
//     auto counter = [&words, limit] (int from) -> concur::task<int> { … };
//     auto f = concur::spawn(concur::call_task(counter, 10), "counter");
#pragma once

#include <concur/coro/detail/task_call.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

/// Something that gives a task when it is called with these arguments, as rvalues.
template <class Function, class... Arguments>
concept task_function = detail::gives_task<Function, Arguments...>;

/// `f(arguments…)` as a task that owns copies of both, and calls `f` when it begins. Throws what copying them throws
/// and std::bad_alloc.
template <class Function, class... Arguments>
  requires task_function<Function, Arguments...>
[[nodiscard]] auto call_task(Function f, Arguments... arguments) {
  return detail::call_task(std::move(f), std::move(arguments)...);
}

}  // namespace concur::inline CONCUR_ABI
