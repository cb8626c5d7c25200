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
#include <concur/core/await_link.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/task_origin.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI {

class party;

/// What a task that has not begun "waits" in. Nothing of it is looked at then but name and place.
class not_begun_operation final : public wait_operation {
 public:
  constexpr not_begun_operation() noexcept = default;
  bool publish(task_context&) noexcept override { return false; }
  void cancel() noexcept override {}
};
inline constinit not_begun_operation not_begun;

/// Used by its own task only, except `cancelled` of the scope and the work item, which the executor owns while it is
/// queued. Must not be destroyed while it waits or is queued.
class task_context : public work, public cancellable {
 public:
  /// `what` is called by the executor, on one of its threads, and calls `drive`.
  task_context(function what, executor& place, cancellation& around, task_origin origin = {}) noexcept
      : work(what), cancellable(around, not_begun), where_(&place), origin_(std::move(origin)) {}

  /// Its name and where it was spawned.
  task_origin const& origin() const noexcept { return origin_; }

  /// Where the task runs.
  executor& where() const noexcept { return *where_; }
  void move_to(executor& place) noexcept { where_ = &place; }

  /// The coroutine to resume when the task runs next.
  template <class Promise>
  void resume_next(std::coroutine_handle<Promise> handle) noexcept {
    next_ = tagged_frame(handle);
  }
  void resume_next(tagged_frame const& next) noexcept { next_ = next; }
  std::coroutine_handle<> next_handle() const noexcept { return next_.handle(); }

  /// The innermost coroutine of a task that waits or is queued; null if it is not one of the library's.
  await_link const* innermost() const noexcept { return next_.link(); }

  /// For a leaf awaiter's await_suspend: the task waits in `operation` once its stack has unwound, and resumes the
  /// coroutine after the first wake.
  void suspend_in(wait_operation& operation, tagged_frame const& coroutine) noexcept {
    next_ = coroutine;
    show(operation);
  }
  template <class Promise>
  void suspend_in(wait_operation& operation, std::coroutine_handle<Promise> handle) noexcept {
    suspend_in(operation, tagged_frame(handle));
  }

  /// The same for an operation of several steps: after each wake it is published again, and the coroutine is resumed
  /// when that says that there is nothing more to wait for.
  template <class Promise>
  void suspend_in_steps(wait_operation& operation, std::coroutine_handle<Promise> handle) noexcept {
    next_ = tagged_frame(handle);
    next_.mark();
    show(operation);
  }
  bool waits_in_steps() const noexcept { return next_.is_marked(); }

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
  task_origin const origin_;
  tagged_frame next_;  // marked: it waits in steps
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
  explicit current_task_scope(task_context& task) noexcept
      : slot_(this_threads_parties().task), outer_(std::exchange(slot_, &task)) {}
  ~current_task_scope() { slot_ = outer_; }
  current_task_scope(current_task_scope const&) = delete;
  current_task_scope& operator=(current_task_scope const&) = delete;

 private:
  task_context*& slot_;  // asked for once: it lives on the stack of one thread
  task_context* const outer_;
};

inline bool task_context::stack_left(void const* frame_address) noexcept {
  if (static_cast<char const*>(frame_address) > stack_limit_) [[likely]]
    return true;
  stack_limit_ = reinterpret_cast<char const*>(UINTPTR_MAX);
  return false;
}

inline void task_context::end_wait() noexcept {
  hide();
  scope().pass_canceller();
}

inline std::coroutine_handle<> task_context::drive() noexcept {
  current_task_scope const current(*this);
  stack_limit_ = static_cast<char const*>(__builtin_frame_address(0)) - stack_budget;
  if (auto* const operation = waiting_in(); operation == &not_begun) {
    hide();
  } else if (operation != nullptr && !waits_in_steps()) {
    end_wait();  // woken in a single step: the wait is over
  }
  for (;;) {
    if (auto* const operation = waiting_in()) {
      os::light_barrier();  // against a canceller: the operation is shown before the list is asked, see
                            // cancellation.hpp
      if (operation->publish(*this)) return nullptr;
      end_wait();
    }
    auto const handle = std::exchange(next_, tagged_frame()).handle();
    handle.resume();
    if (!next_) {
      CONCUR_ASSERT(handle.done(),
                    "a coroutine was lost: GCC 12 miscompiles a co_await in the bare condition of if, while or switch "
                    "when the function declares nothing; declare a local variable");
      return handle;
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
