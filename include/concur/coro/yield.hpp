// SPDX-License-Identifier: BSL-1.0
//
// Lets what else is ready run first. Python's `await asyncio.sleep(0)`.
//
//     while (more()) { step(); co_await concur::yield(); }
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/task_context.hpp>

#include <coroutine>

namespace concur::inline CONCUR_ABI {

/// What `co_await` makes of what `yield` gives.
class [[nodiscard]] yield_awaiter {
 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  yield_awaiter() noexcept {}
  yield_awaiter(yield_awaiter const&) = delete;
  yield_awaiter& operator=(yield_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <promise_with_context Promise>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_context& task = handle.promise().context();
    refused_ = task.cancelled();
    if (refused_) [[unlikely]]
      return false;
    task.suspend_in(in_queue, handle);
    return true;
  }

  void await_resume() const {
    if (refused_) [[unlikely]]
      throw cancelled();
  }

 private:
  bool refused_ = false;
};

/// What `yield` gives. Its awaiter is made in the coroutine's frame; an awaiter that came itself would stay beside it,
/// and be reached by a pointer.
class [[nodiscard]] yield_request {
 public:
  yield_awaiter operator co_await() const noexcept { return yield_awaiter(); }
};

/// `co_await yield()`: the task goes to the end of its executor's queue. Throws `cancelled` in a task that is
/// cancelled, which makes it the way to give up in a long computation. Only for coroutines with a task context.
inline yield_request yield() noexcept { return yield_request(); }

}  // namespace concur::inline CONCUR_ABI
