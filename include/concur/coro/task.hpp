// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that computes a T for the one that awaits it. It begins when it is awaited, or spawned. Python's
// `async def`.
//
//     concur::task<int> count(concur::queue<int>& words) {
//       int const first = co_await words.async_get();
//       int const second = co_await words.async_get();
//       co_return first + second;
//     }
//     int const sum = co_await count(words);         // in another task
//     int const sum = concur::run(count(words));     // from plain code
//
// Two sentences for users of GCC 12: a lambda with captures by value that is written inside a co_await expression is
// destroyed twice, so name it first; and a coroutine that declares nothing and has a co_await in the bare condition of
// an if, while or switch never completes, so write `if (bool const ok = co_await f())`.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/await_link.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/task_promise.hpp>

#include <concepts>
#include <coroutine>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Moves only; eight bytes. `co_await` of it (as a temporary, or moved) runs it on the executor of the task that
/// awaits, in that task, and gives its value, or throws its error. Awaiting it is no point of cancellation by itself: a
/// task that was cancelled still enters it, and is stopped at the next wait inside.
///
/// Neither awaits that end at once nor ones that are nested need stack: ten million in a row and a million deep are
/// fine. An await costs no atomic operation; a frame comes from the recycler of the thread.
///
/// T may be void or a reference; objects of alignment above 16 are not supported. Destroyed without having been
/// awaited, it never runs; checked builds report that as misuse, since it is nearly always a forgotten co_await, unless
/// it goes because an error is on its way.
template <class T = void>
class [[nodiscard]] task {
 public:
  using value_type = T;
  using promise_type = detail::task_promise<T>;
  using handle_type = std::coroutine_handle<promise_type>;

  /// Without a coroutine.
  task() noexcept = default;
  explicit task(handle_type coroutine) noexcept : coroutine_(coroutine) {}
  task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task(std::move(other)).swap(*this);
    return *this;
  }
  ~task() {
    if (!coroutine_) return;
    drop();
  }

  void swap(task& other) noexcept { std::swap(coroutine_, other.coroutine_); }
  friend void swap(task& a, task& b) noexcept { a.swap(b); }

  /// Whether there is a coroutine that can be awaited.
  [[nodiscard]] bool valid() const noexcept { return bool(coroutine_); }

  /// For whoever runs it: gives the coroutine away.
  [[nodiscard]] handle_type release() noexcept { return std::exchange(coroutine_, nullptr); }

  class awaiter;
  awaiter operator co_await() && noexcept { return awaiter(release()); }

 private:
  [[gnu::noinline]] void drop() noexcept {
    coroutine_.promise().require_not_forgotten();
    coroutine_.destroy();
  }

  handle_type coroutine_;
};

/// For coroutines whose promise has a context, which includes those of users (core/awaiter.hpp).
template <class T>
class [[nodiscard]] task<T>::awaiter {
 public:
  explicit awaiter(handle_type child) noexcept : child_(child) {}
  awaiter(awaiter const&) = delete;
  awaiter& operator=(awaiter const&) = delete;
  ~awaiter() {
    if (child_) child_.destroy();
  }

  bool await_ready() const {
    CONCUR_ASSERT(child_, "a task was awaited that was moved from or awaited before");
    return false;
  }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    task_context& context = parent.promise().context();
    auto& child = child_.promise();
    child.enter(context);
    if (context.stack_left(__builtin_frame_address(0))) [[likely]] {
      child_.resume();
      if (child_.done()) [[likely]]
        return false;
      child.set_awaiting(parent);
      return true;
    }
    child.set_awaiting(parent);
    context.resume_next(child_);
    return true;
  }

  T await_resume() { return child_.promise().take(); }

 private:
  handle_type child_;
};

}  // namespace concur::inline CONCUR_ABI
