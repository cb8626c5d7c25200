// SPDX-License-Identifier: BSL-1.0
//
// Moves a task to another executor, or to the end of its own one's queue.
//
//     co_await pool.schedule();     // from here on this coroutine runs on the pool
//     co_await hop_to(where);       // the same for any executor
//
// Whoever awaits the coroutine goes on where it was: a coroutine that moved remembers from where, and goes back there
// when it has ended.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/task_context.hpp>

#include <concepts>
#include <coroutine>
#include <new>

namespace concur::inline CONCUR_ABI {

/// What `hop_to` and `schedule` give.
class [[nodiscard]] hop_awaiter {
 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  explicit hop_awaiter(executor& target) noexcept : target_(&target) {}
  hop_awaiter(hop_awaiter const&) = delete;
  hop_awaiter& operator=(hop_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    task_context& task = handle.promise().context();
    if (task.cancelled()) {
      target_ = nullptr;
      return false;
    }
    bool const moves = target_ != &task.where();
    if (moves) {
      task.prepare_to_move();
      if constexpr (std::derived_from<Promise, await_link>) change_place(handle.promise(), task.where());
      task.scope().share();
      task.move_to(*target_);
    }
    task.suspend_in(moves ? in_other_queue : in_queue, handle);
    return true;
  }

  void await_resume() const {
    if (target_ == nullptr) [[unlikely]]
      throw cancelled();
    // Threads that can cancel the task may meet it here, in waits that belong to an executor of one thread.
    if (current_task()->scope().shared()) target_->tasks().share();
  }

 private:
  // A coroutine that has moved is admitted where it is. That it may go back needs no leave: the task, or a coroutine
  // further out, is admitted there as long as this one is away.
  void change_place(await_link& link, executor& here) const {
    if (auto* const made = link.moved()) {
      if (target_ != made->from) target_->admit_task();
      if (&here != made->from) here.task_ended();
      return;
    }
    void* const room = frame_recycler::allocate(sizeof(await_link::move));
    try {
      target_->admit_task();
    } catch (...) {
      frame_recycler::free(room, sizeof(await_link::move));
      throw;
    }
    link.set_moved(*::new (room) await_link::move{{}, &here});
  }

  executor* target_;  // null: refused
};

/// `co_await hop_to(where)`: the coroutine goes on as an item of that executor, even if it runs there already: then
/// what is queued comes first. In a task that is cancelled it throws `cancelled` and does not move. Throws
/// std::bad_alloc, and what the executor refuses it with, `closed` for a pool after a shutdown; then it has not moved.
/// Going back is never refused. Only for coroutines with a task context.
inline hop_awaiter hop_to(executor& where) noexcept { return hop_awaiter(where); }

/// Called when a coroutine that moved has ended, where it has: frees its move, and makes `from` the task's executor.
/// Returns whether the task has to be posted there.
inline bool move_back(task_context& task, await_link::move& made) noexcept {
  executor& home = *made.from;
  frame_recycler::free(&made, sizeof made);
  if (&task.where() == &home) return false;
  task.where().task_ended();
  task.move_to(home);
  return true;
}

}  // namespace concur::inline CONCUR_ABI
