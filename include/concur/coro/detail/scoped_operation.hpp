// SPDX-License-Identifier: BSL-1.0
//
// Runs an operation inside a timed_scope: what is common to cancel_scope, timeout and move_on_after. The operation may
// be a task, a future, a callable that gives a task, or anything else that can be awaited; and what becomes of an
// operation that gave up differs.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/task_call.hpp>
#include <concur/coro/detail/timed_scope.hpp>
#include <concur/coro/foreign_await.hpp>
#include <concur/coro/owned_coroutine.hpp>
#include <concur/coro/task.hpp>
#include <concur/future/future.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

// ---- awaiters of the coroutine below

class scope_entry {
 public:
  using context_aware = void;

  explicit scope_entry(timed_scope& scope) noexcept : scope_(scope) {}
  scope_entry(scope_entry const&) = delete;
  scope_entry& operator=(scope_entry const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_ = &static_cast<task_context&>(handle.promise().context());
    return false;
  }
  void await_resume() const { scope_.begin(*task_); }

 private:
  timed_scope& scope_;
  task_context* task_ = nullptr;
};

/// Not even a cancelled task may leave before the scope's items have run. Gives whether the scope, and nothing outside
/// it, was cancelled.
class scope_exit final : public wait_operation {
 public:
  explicit scope_exit(timed_scope& scope) noexcept : scope_(scope) {}
  scope_exit(scope_exit const&) = delete;
  scope_exit& operator=(scope_exit const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_ = &static_cast<task_context&>(handle.promise().context());
    if (!scope_.end(*task_)) return false;
    task_->suspend_in(*this, handle);
    return true;
  }
  bool await_resume() const noexcept { return scope_.struck() && !task_->cancelled(); }

  bool publish(task_context& task) noexcept override { return scope_.wait_for_items(task); }
  void cancel() noexcept override {}

 private:
  timed_scope& scope_;
  task_context* task_ = nullptr;
};

/// Awaits something else and tells the scope when the task suspends. Nothing has been published at that point, so the
/// task cannot run meanwhile.
template <class Awaiter>
class watched_await {
 public:
  using context_aware = void;

  template <class Make>
  watched_await(timed_scope& scope, Make make) : awaiter_(make()), scope_(scope) {}
  watched_await(watched_await const&) = delete;
  watched_await& operator=(watched_await const&) = delete;

  bool await_ready() { return awaiter_.await_ready(); }
  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if constexpr (std::is_void_v<decltype(awaiter_.await_suspend(handle))>) {
      awaiter_.await_suspend(handle);
    } else if (!awaiter_.await_suspend(handle)) {
      return false;
    }
    scope_.suspended(handle.promise().context());
    return true;
  }
  decltype(auto) await_resume() { return awaiter_.await_resume(); }

 private:
  Awaiter awaiter_;
  timed_scope& scope_;
};

template <class Awaitable>
auto awaiter_in_task(Awaitable&& awaitable) {
  if constexpr (is_task<std::remove_cvref_t<Awaitable>>) {
    return std::forward<Awaitable>(awaitable).operator co_await();
  } else {
    return await_as_task(std::forward<Awaitable>(awaitable));
  }
}

template <class Awaitable>
auto watched(timed_scope& scope, Awaitable&& awaitable) {
  auto const make = [&awaitable] { return awaiter_in_task(std::forward<Awaitable>(awaitable)); };
  return watched_await<decltype(make())>(scope, make);
}

// ---- what is awaited: `next()` gives it, once

template <class T>
class task_operation {
 public:
  /// Throws misuse for a task without a coroutine.
  explicit task_operation(task<T>&& body) : body_(std::move(body)) {}
  task<T> next() noexcept { return task<T>(body_.release()); }

 private:
  owned_coroutine<T> body_;
};

template <class T>
class future_operation {
 public:
  explicit future_operation(future<T>&& owned) noexcept : owned_(std::move(owned)) {}
  future<T>&& next() noexcept { return std::move(owned_); }

 private:
  future<T> owned_;
};

/// Something that lives until the end of the full expression.
template <class Awaitable>
class other_operation {
 public:
  explicit other_operation(Awaitable&& awaited) noexcept : awaited_(std::addressof(awaited)) {}
  Awaitable&& next() noexcept { return static_cast<Awaitable&&>(*awaited_); }

 private:
  std::remove_reference_t<Awaitable>* awaited_;
};

/// What awaiting it gives.
template <class Operation>
using result_of_operation = decltype(awaiter_in_task(std::declval<Operation&>().next()).await_resume());

// ---- what becomes of it

/// A reference is kept as a pointer.
template <class T>
using kept_result =
    std::conditional_t<std::is_lvalue_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>,
                       stored_value<std::remove_cvref_t<T>>>;

/// An operation that gave up is an error.
struct or_timed_out {
  template <class T>
  using result = std::conditional_t<std::is_rvalue_reference_v<T>, std::remove_cvref_t<T>, T>;
};

/// An operation that gave up has no value; one without a value says whether it ended.
struct or_nothing {
  template <class T>
  using result = std::conditional_t<std::is_void_v<T>, bool, std::optional<kept_result<T>>>;
};

/// A scope for the call alone.
class scope_of_call {
 public:
  explicit scope_of_call(time_limit limit) noexcept : limit_(limit) {}
  class type {
   public:
    explicit type(scope_of_call const& from) noexcept : scope_(from.limit_) {}
    timed_scope& get() noexcept { return scope_; }

   private:
    timed_scope scope_;
  };

 private:
  time_limit limit_;
};

/// One of the user's.
class scope_of_user {
 public:
  explicit scope_of_user(timed_scope& scope) noexcept : scope_(&scope) {}
  using type = scope_of_user;
  timed_scope& get() const noexcept { return *scope_; }

 private:
  timed_scope* scope_;
};

template <class Otherwise, class Operation>
using result_in_scope = typename Otherwise::template result<result_of_operation<Operation>>;

template <class Otherwise, class Scope, class Operation>
task<result_in_scope<Otherwise, Operation>> run_in_scope(Scope which, Operation operation) {
  using result = result_of_operation<Operation>;
  typename Scope::type holder(which);
  timed_scope& scope = holder.get();
  std::optional<kept_result<result>> value;
  std::exception_ptr error;
  bool gave_up = false;
  co_await scope_entry(scope);
  try {
    if constexpr (std::is_void_v<result>) {
      co_await watched(scope, operation.next());
      value.emplace();
    } else {
      value.emplace(co_await watched(scope, operation.next()));
    }
  } catch (cancelled const&) {
    gave_up = true;
    error = std::current_exception();
  } catch (...) {
    error = std::current_exception();
  }
  bool const only_this_was_cancelled = co_await scope_exit(scope);
  bool const swallowed = gave_up && only_this_was_cancelled;
  if (error && !swallowed) std::rethrow_exception(error);
  if constexpr (std::is_same_v<Otherwise, or_timed_out>) {
    if (swallowed) throw timed_out();
    if constexpr (std::is_lvalue_reference_v<result>) {
      co_return value->get();
    } else if constexpr (!std::is_void_v<result>) {
      co_return std::move(*value);
    }
  } else if constexpr (std::is_void_v<result>) {
    co_return !swallowed;
  } else {
    co_return std::move(value);
  }
}

/// What a limited await of something that must not outlive its full expression gives.
template <class Otherwise, class Scope, class Awaitable>
class [[nodiscard]] await_in_scope {
  using operation = other_operation<Awaitable>;
  using result = result_in_scope<Otherwise, operation>;

  class awaiter : public task<result>::awaiter {
   public:
    using context_aware = void;
    explicit awaiter(task<result> body) noexcept : task<result>::awaiter(body.release()) {}
  };

 public:
  await_in_scope(Scope which, Awaitable&& awaited) noexcept
      : which_(which), awaited_(static_cast<Awaitable&&>(awaited)) {}
  await_in_scope(await_in_scope const&) = delete;
  await_in_scope& operator=(await_in_scope const&) = delete;

  /// Throws std::bad_alloc.
  awaiter operator co_await() && { return awaiter(run_in_scope<Otherwise>(which_, awaited_)); }

 private:
  Scope which_;
  operation awaited_;
};

/// The overloads of everything that runs an operation in a scope: a task for what it can own, else something to be
/// awaited at once.
template <class Otherwise, class Scope, class Operation, class... Arguments>
auto in_scope(Scope which, Operation&& operation, Arguments&&... arguments) {
  using plain = std::remove_cvref_t<Operation>;
  if constexpr (is_task<plain>) {
    static_assert(std::is_same_v<plain, Operation> && sizeof...(Arguments) == 0,
                  "a task that has a name must be moved");
    return run_in_scope<Otherwise>(which, task_operation(std::move(operation)));
  } else if constexpr (is_future<plain> && std::is_same_v<plain, Operation>) {
    static_assert(sizeof...(Arguments) == 0, "only a callable takes arguments");
    return run_in_scope<Otherwise>(which, future_operation(std::move(operation)));
  } else if constexpr (gives_task<plain, std::decay_t<Arguments>...>) {
    return run_in_scope<Otherwise>(
        which, task_operation(call_task<plain, std::decay_t<Arguments>...>(std::forward<Operation>(operation),
                                                                           std::forward<Arguments>(arguments)...)));
  } else {
    static_assert(sizeof...(Arguments) == 0, "only a callable that gives a task takes arguments");
    static_assert(!std::is_same_v<plain, hop_awaiter>, "a change of executor inside a scope would end with the scope");
    return await_in_scope<Otherwise, Scope, Operation>(which, std::forward<Operation>(operation));
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
