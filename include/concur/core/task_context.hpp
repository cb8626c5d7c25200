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
#include <concur/core/frame_recycler.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_origin.hpp>

#include <coroutine>
#include <cstdint>
#include <new>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What a task that has not begun "waits" in. Nothing of it is looked at then but name and place.
class not_begun_operation final : public wait_operation {
 public:
  constexpr not_begun_operation() noexcept = default;
  bool publish(task_context&) noexcept override { return false; }
  void cancel() noexcept override {}
};
inline constinit not_begun_operation not_begun;

/// Posts the task to its executor: what a task "waits" in that goes to the end of a queue, `in_queue` of the one that
/// runs it, or `in_other_queue` if it moves. It cannot be cancelled there: it is ready, and the cancel strikes at its
/// next wait.
class posted_operation final : public wait_operation {
 public:
  constexpr posted_operation() noexcept = default;
  inline bool publish(task_context& task) noexcept override;
  void cancel() noexcept override {}
};
inline constinit posted_operation in_queue;
inline constinit posted_operation in_other_queue;

/// Used by its own task only, except `cancelled` of the scope and the work item, which the executor owns while it is
/// queued. Must not be destroyed while it waits or is queued.
class task_context : public work, public cancellable {
 public:
  /// `what` is called by the executor, on one of its threads, and calls `drive`.
  task_context(function what, executor& place, cancellation& around, task_origin origin = {}) noexcept
      : work(what),
        cancellable(around, not_begun, origin.release()),
        where_(reinterpret_cast<std::uintptr_t>(&place)) {}
  ~task_context() {
    auto const ends_here = task_origin::adopt(constant());
    if (auto* const travelled = journey_in(where_.load(std::memory_order_relaxed))) [[unlikely]]
      frame_recycler::free(travelled, sizeof *travelled);
  }

  /// Its name and where it was spawned. Any thread.
  task_origin_view origin() const noexcept { return task_origin_view(constant()); }

  /// Where the task runs.
  [[gnu::always_inline]] executor& where() const noexcept {
    // relaxed: what tells another thread of the task tells of its journey too.
    auto const word = where_.load(std::memory_order_relaxed);
    if (auto* const now = journey_in(word)) [[unlikely]]
      return *now->where;
    return *reinterpret_cast<executor*>(word);
  }
  /// Throws std::bad_alloc the first time; then it has not moved.
  void move_to(executor& place) {
    prepare_to_move();
    journey_in(where_.load(std::memory_order_relaxed))->where = &place;
  }
  /// So that the next move does not throw. Throws std::bad_alloc.
  void prepare_to_move() {
    if (journey_in(where_.load(std::memory_order_relaxed)) == nullptr) set_out();
  }

  /// Where it was when it was made. Any thread.
  executor& home() const noexcept {
    auto const word = where_.load(std::memory_order_acquire);
    if (auto const* const now = journey_in(word)) [[unlikely]]
      return *now->home;
    return *reinterpret_cast<executor*>(word);
  }

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

 private:
  friend class current_task_scope;
  bool begin_wait(wait_operation& operation) noexcept;
  void end_wait() noexcept;

  static constexpr std::uintptr_t stack_budget = 64 * 1024;  // its limit is kept in the link

  // What a task has that was ever on another executor.
  struct journey {
    executor* const home;
    executor* where;  // the task's own; those who wake it learn of it with the wait
  };
  static constexpr std::uintptr_t has_travelled = 1;
  static journey* journey_in(std::uintptr_t word) noexcept {
    return (word & has_travelled) != 0 ? reinterpret_cast<journey*>(word & ~has_travelled) : nullptr;
  }
  [[gnu::noinline]] void set_out() {
    auto* const made = ::new (frame_recycler::allocate(sizeof(journey))) journey{&where(), &where()};
    // release: the home, to those who ask for it.
    where_.store(reinterpret_cast<std::uintptr_t>(made) | has_travelled, std::memory_order_release);
  }

  // The executor, or a journey. Written by the task, once; read by those who wake, cancel and wait for it.
  os::machine_atomic<std::uintptr_t> where_;
  tagged_frame next_;  // marked: it waits in steps
};

/// The task that runs on this thread, or null. Any thread.
inline task_context* current_task() noexcept { return this_threads_parties().task; }

/// Makes a task the current one for its lifetime.
class current_task_scope {
 public:
  explicit current_task_scope(task_context& task) noexcept : current_task_scope(task, this_threads_parties()) {}
  current_task_scope(task_context& task, running_parties& here) noexcept
      : slot_(here.task), outer_(std::exchange(slot_, &task)) {}
  ~current_task_scope() { slot_ = outer_; }
  current_task_scope(current_task_scope const&) = delete;
  current_task_scope& operator=(current_task_scope const&) = delete;

 private:
  task_context*& slot_;  // asked for once: it lives on the stack of one thread
  task_context* const outer_;
};

inline bool task_context::stack_left(void const* frame_address) noexcept {
  if (reinterpret_cast<std::uintptr_t>(frame_address) > link()) [[likely]]
    return true;
  set_link(UINTPTR_MAX);
  return false;
}

[[gnu::always_inline]] inline void task_context::end_wait() noexcept {
  hide();
  scope().pass_canceller();
}

inline bool posted_operation::publish(task_context& task) noexcept {
  task.where().post(task);
  return true;
}

// Publishes the wait in `operation`. Returns whether the task waits now; then nothing of it may be touched any more.
[[gnu::always_inline]] inline bool task_context::begin_wait(wait_operation& operation) noexcept {
  // Against a canceller: the operation is shown before the list is asked, see cancellation.hpp.
  os::light_barrier();
  if (operation.publish(*this)) return true;
  end_wait();
  return false;
}

// Inlined, since each step of each task goes through it.
[[gnu::always_inline]] inline std::coroutine_handle<> task_context::drive() noexcept {
  executor& here = where();
  running_parties& parties = here.parties_here();
  CONCUR_ASSERT(&parties == &this_threads_parties(), "a task ran on a thread that is not its executor's");
  current_task_scope const current(*this, parties);
  set_link(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - stack_budget);
  if (waiting_in() != nullptr && !waits_in_steps()) end_wait();  // woken in a single step: the wait is over
  for (;;) {
    if (auto* const operation = waiting_in()) {
      if (operation != &in_queue) {
        if (begin_wait(*operation)) return nullptr;
      } else {
        if (here.post_last(*this)) return nullptr;
        end_wait();
      }
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
