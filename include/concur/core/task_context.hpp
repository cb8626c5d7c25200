// SPDX-License-Identifier: BSL-1.0
//
// The context of a spawned coroutine: one for each chain of coroutines that await each other, and at the same time
// the work item that executors queue. Promises of the library share it by pointer: `handle.promise().context()`.
//
//     task_context context(run, where, scope);
//     context.start(handle);  where.post(context);            // and later, in run:
//     if (auto root = context.drive()) …;                     // the outermost coroutine has ended
//
// A leaf awaiter only records itself in the context (deferred publication). When all frames above the trampoline have
// returned, the trampoline publishes the wait. So no frame is touched after its handle has escaped, no await costs an
// atomic operation, and a coroutine lost to a compiler's bug is noticed instead of hanging.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI {

class party;

/// Used by its own task only, except `cancelled` of the scope and the work item, which the executor owns while it is
/// queued. Must not be destroyed while it waits or is queued.
class task_context : public work, public cancellable {
 public:
  /// `what` is called by the executor, on one of its threads, and calls `drive`.
  task_context(function what, executor& place, cancellation& around) noexcept
      : work(what), where_(&place), scope_(&around) {}

  /// Where the task runs.
  executor& where() const noexcept { return *where_; }
  void move_to(executor& place) noexcept { where_ = &place; }

  cancellation& scope() const noexcept { return *scope_; }

  /// Whether the next wait will be refused.
  bool cancelled() const noexcept { return scope_->cancelled(); }

  /// The coroutine to resume when the task runs next.
  void resume_next(std::coroutine_handle<> handle) noexcept { next_handle_ = handle; }
  std::coroutine_handle<> next_handle() const noexcept { return next_handle_; }

  /// For a leaf awaiter's await_suspend: the task waits in `operation` once its stack has unwound. A null handle marks
  /// an operation of several steps.
  void suspend_in(wait_operation& operation, std::coroutine_handle<> handle) noexcept {
    next_handle_ = handle;
    show(operation);
  }

  /// The trampoline: resumes coroutines of the chain until it waits or its outermost coroutine has ended. Returns that
  /// one, or null if it waits; after null nothing of the context may be touched. A handler of misuse that throws ends
  /// the program here.
  std::coroutine_handle<> drive() noexcept;

  /// Whether a child may be started on top of the present stack frame; otherwise it goes to `resume_next` and the
  /// caller returns to the trampoline. Counts bytes, not levels, and bounces for the rest of the run once it said no.
  bool stack_left(void const* frame_address) noexcept;

  /// An error on its way from a coroutine that ended to the one that awaits it. There is at most one.
  void set_error(std::exception_ptr error) noexcept { error_ = std::move(error); }
  std::exception_ptr take_error() noexcept { return std::exchange(error_, nullptr); }
  bool has_error() const noexcept { return error_ != nullptr; }

 private:
  friend class current_task_scope;
  void end_wait() noexcept;

  static constexpr std::intptr_t stack_budget = 64 * 1024;

  executor* where_;
  cancellation* scope_;
  std::coroutine_handle<> next_handle_;
  std::exception_ptr error_;
};

/// Who runs on a thread. One slot for both, since a lock that wants to know its owner asks for both.
struct running_parties {
  task_context* task = nullptr;
  party* fiber = nullptr;
};
inline running_parties& this_threads_parties() noexcept { return os::thread_slot<running_parties, running_parties>(); }

/// The task that runs on this thread, or null. Any thread.
inline task_context* current_task() noexcept { return this_threads_parties().task; }

/// Makes a task the current one for its lifetime.
class current_task_scope {
 public:
  explicit current_task_scope(task_context& task) noexcept : outer_(std::exchange(slot(), &task)) {}
  ~current_task_scope() { slot() = outer_; }
  current_task_scope(current_task_scope const&) = delete;
  current_task_scope& operator=(current_task_scope const&) = delete;

  static task_context*& slot() noexcept { return this_threads_parties().task; }

 private:
  task_context* outer_;
};

inline bool task_context::stack_left(void const* frame_address) noexcept {
  if (static_cast<char const*>(frame_address) > stack_limit_) [[likely]]
    return true;
  stack_limit_ = reinterpret_cast<char const*>(UINTPTR_MAX);
  return false;
}

inline void task_context::end_wait() noexcept {
  hide();
  scope_->pass_canceller();
}

inline std::coroutine_handle<> task_context::drive() noexcept {
  current_task_scope const current(*this);
  stack_limit_ = static_cast<char const*>(__builtin_frame_address(0)) - stack_budget;
  // Woken with a handle: the wait is over. Woken without one: the operation has another step.
  if (waiting_in() != nullptr && next_handle_) end_wait();
  for (;;) {
    if (auto* const operation = waiting_in()) {
      os::light_barrier();  // against a canceller: the operation is shown before the list is asked, see
                            // cancellation.hpp
      if (operation->publish(*this)) return nullptr;
      end_wait();
    }
    auto const handle = std::exchange(next_handle_, nullptr);
    handle.resume();
    if (!next_handle_ && waiting_in() == nullptr) {
      CONCUR_ASSERT(handle.done(),
                    "a coroutine was lost: GCC 12 miscompiles a co_await in the bare condition of if, while or switch "
                    "when the function declares nothing; declare a local variable");
      return handle;
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
