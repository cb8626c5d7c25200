// SPDX-License-Identifier: BSL-1.0
//
// From plain code into coroutines: runs a task to its end. Python's asyncio.run.
//
//     concur::task<int> hello() { co_await concur::sleep_for(1s); co_return 42; }
//     int main() { return concur::run(hello()); }
//     int const n = concur::run([&](int seconds) -> concur::task<int> { … }, 3);
//
// On the main thread Ctrl-C cancels the task, from its second round on. Then `run` throws `cancelled`, which no handler
// of std::exception catches:
//
//     int main() try {
//       concur::run(serve());
//     } catch (concur::cancelled const&) {
//       return 130;  // as a shell has it for SIGINT
//     }
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/loop/detail/thread_loop.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/event_loop_options.hpp>

#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Runs `body` on the calling thread, in a loop that the thread keeps for this: as `event_loop::run`, also in what an
/// interrupt from the keyboard (SIGINT) does: it makes this throw `cancelled`, which is no std::exception, but in the
/// first round it ends the process. Throws std::bad_alloc as well.
template <class T>
T run(task<T> body, std::string_view name = {}, source_place place = __builtin_source_location()) {
  return detail::loop_of_this_thread().run(std::move(body), name, place);
}

/// The same in a loop of its own, which is made with these options: in virtual time, say.
template <class T>
T run(task<T> body, event_loop_options const& options, source_place place = __builtin_source_location()) {
  return event_loop(options).run(std::move(body), {}, place);
}

/// Runs `f(arguments…)`, which gives a task, and keeps copies of both until that has ended: for lambdas with captures,
/// which otherwise die before their coroutine does. What stands behind `f` is an argument if `f` can be called with it;
/// else a text is the name of the task, and options are those of a loop.
template <class Function>
  requires task_function<Function>
decltype(auto) run(Function f, source_place place = __builtin_source_location()) {
  return detail::loop_of_this_thread().run(std::move(f), place);
}
template <class Function, class Name>
  requires detail::names_task_of<Name const&, Function>
decltype(auto) run(Function f, Name const& name, source_place place = __builtin_source_location()) {
  return detail::loop_of_this_thread().run(std::move(f), name, place);
}
template <class Function>
  requires(task_function<Function> && !task_function<Function, event_loop_options>)
decltype(auto) run(Function f, event_loop_options const& options, source_place place = __builtin_source_location()) {
  return event_loop(options).run(std::move(f), place);
}
template <class Function, class First, class... Rest>
  requires task_function<Function, First, Rest...>
decltype(auto) run(Function f, First first, Rest... rest) {
  return detail::loop_of_this_thread().run(std::move(f), std::move(first), std::move(rest)...);
}

}  // namespace concur::inline CONCUR_ABI
