// SPDX-License-Identifier: BSL-1.0
//
// From plain code into coroutines: runs a task to its end. Python's asyncio.run.
//
//     concur::task<int> hello() { co_await concur::sleep_for(1s); co_return 42; }
//     int main() { return concur::run(hello()); }
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/detail/thread_loop.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/event_loop_options.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

/// Runs `body` on the calling thread, in a loop that the thread keeps for this: as `event_loop::run`. Throws
/// std::bad_alloc as well.
template <class T>
T run(task<T> body, source_place place = __builtin_source_location()) {
  return detail::loop_of_this_thread().run(std::move(body), {}, place);
}

/// The same in a loop of its own, which is made with these options: in virtual time, say.
template <class T>
T run(task<T> body, event_loop_options const& options, source_place place = __builtin_source_location()) {
  return event_loop(options).run(std::move(body), {}, place);
}

}  // namespace concur::inline CONCUR_ABI
