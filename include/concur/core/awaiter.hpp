// SPDX-License-Identifier: BSL-1.0
//
// The awaitable side of every primitive: what `co_await` uses, for coroutines of the library and of anybody else.
//
//     class async_wait : public waiting_awaiter<async_wait> {
//       bool attempt() noexcept; bool enqueue(waiter&) noexcept; bool withdraw(waiter&) noexcept;
//       void await_resume() { throw_if_stopped(); }
//     };
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>

#include <concepts>
#include <coroutine>
#include <exception>

namespace concur::inline CONCUR_ABI {

/// A promise whose coroutines run in a task context: `promise.context()` is valid while the coroutine runs. Promise
/// types of users that have it take part in cancellation and in deferred publication.
template <class Promise>
concept promise_with_context = requires(Promise& promise) {
  { promise.context() } -> std::convertible_to<task_context&>;
};

/// What the `async_` forms give: an awaiter, for coroutines of every kind, whose result is a T. The types behind it are
/// private. Tasks and futures, which have an `operator co_await`, are not meant.
template <class Awaitable, class T>
concept awaitable = requires(Awaitable& operation) {
  { operation.await_ready() } -> std::same_as<bool>;
  operation.await_suspend(std::coroutine_handle<>());
  { operation.await_resume() } -> std::same_as<T>;
};

/// Stands in for the context of a coroutine under a promise that is not ours, for one wait: the coroutine resumes on
/// the executor of the thread on which it waited, and the wait cannot be cancelled.
class foreign_context final : public task_context {
 public:
  /// Starts the wait of `operation`. Returns whether the coroutine is suspended now. Throws misuse on a thread without
  /// an executor, since nobody could resume the coroutine there, and std::bad_alloc. When this returns true, the
  /// coroutine may run already, elsewhere.
  [[gnu::noinline]] inline static bool suspend(std::coroutine_handle<> handle, wait_operation& operation,
                                               bool in_steps);

 private:
  explicit foreign_context(executor& place) noexcept : task_context(&resume, place, executor::never_cancelled()) {}
  static void resume(work& self) noexcept;
};

/// Base of an awaiter that waits in a list, once. Derived gives `attempt()`: succeed at once or say no;
/// `enqueue(waiter&)` and `withdraw(waiter&)` as in wait_word; and await_resume. Not copyable: GCC 12 copies awaiters
/// that come out of a function by reference, and an intrusive node must not be.
///
/// Every await looks at its scope first and then tries; so a cancelled task neither waits nor takes anything.
///
/// A primitive whose list needs to know more of a party than its waiter says keeps it in a `Waiter` of its own.
template <class Derived, class Waiter = waiter>
class waiting_awaiter : public wait_operation {
 public:
  waiting_awaiter(waiting_awaiter const&) = delete;
  waiting_awaiter& operator=(waiting_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if constexpr (promise_with_context<Promise>) {
      return begin(handle.promise().context(), handle);
    } else {
      if (derived().attempt()) return settled(wake_reason::granted);
      return foreign_context::suspend(handle, *this, false);
    }
  }

  bool publish(task_context& task) noexcept override {
    waiter_.bind(task);
    return derived().enqueue(waiter_);
  }

  void cancel() noexcept override {
    if (derived().withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 protected:
  waiting_awaiter() noexcept : waiter_(nullptr) {}
  ~waiting_awaiter() = default;

  /// For await_resume.
  void throw_if_stopped() const {
    if (waiter_.reason() == wake_reason::stopped) [[unlikely]]
      throw cancelled();
  }

  Waiter waiter_;

 private:
  Derived& derived() noexcept { return static_cast<Derived&>(*this); }

  bool settled(wake_reason reason) noexcept {
    waiter_.settle(reason);
    return false;
  }

  template <class Promise>
  bool begin(task_context& task, std::coroutine_handle<Promise> handle) {
    if (task.cancelled()) [[unlikely]]
      return settled(wake_reason::stopped);
    if (derived().attempt()) return settled(wake_reason::granted);
    task.suspend_in(*this, handle);
    return true;
  }
};

/// Base of an awaiter that waits in several steps, each on the task's executor. Derived gives `attempt()`: succeed at
/// once or say no; and `step(task)`: go on after the start or a wake, and return whether the task waits again, in which
/// case nothing of the awaiter may be touched any more. What either throws comes out of the await. A step that was
/// refused, or ended by a cancel, sets `stopped_` and returns false.
template <class Derived>
class stepping_awaiter : public wait_operation {
 public:
  stepping_awaiter(stepping_awaiter const&) = delete;
  stepping_awaiter& operator=(stepping_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if constexpr (promise_with_context<Promise>) {
      task_context& task = handle.promise().context();
      stopped_ = task.cancelled();
      if (stopped_ || derived().attempt()) return false;
      task.suspend_in_steps(*this, handle);
      return true;
    } else {
      if (derived().attempt()) return false;
      return foreign_context::suspend(handle, *this, true);
    }
  }

  void await_resume() const {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
    if (stopped_) [[unlikely]]
      throw cancelled();
  }

  bool publish(task_context& task) noexcept override {
    try {
      if (derived().step(task)) return true;
    } catch (...) {
      error_ = std::current_exception();
    }
    return false;
  }

 protected:
  stepping_awaiter() = default;
  ~stepping_awaiter() = default;

 private:
  Derived& derived() noexcept { return static_cast<Derived&>(*this); }

  std::exception_ptr error_;

 protected:
  bool stopped_ = false;
};

bool foreign_context::suspend(std::coroutine_handle<> handle, wait_operation& operation, bool in_steps) {
  executor* const place = current_executor();
  if (place == nullptr) {
    throw misuse("a coroutine of a foreign type waited on a thread that has no executor to resume it");
  }
  auto* const context = new foreign_context(*place);
  if (in_steps) {
    context->suspend_in_steps(operation, handle);
  } else {
    context->suspend_in(operation, handle);
  }
  if (operation.publish(*context)) return true;
  delete context;
  return false;
}

inline void foreign_context::resume(work& self) noexcept {
  auto& context = static_cast<foreign_context&>(self);
  if (context.waits_in_steps() && context.waiting_in()->publish(context)) return;
  auto const handle = context.next_handle();
  delete &context;
  handle.resume();
}

}  // namespace concur::inline CONCUR_ABI
