// SPDX-License-Identifier: BSL-1.0
//
// Coroutines for tests of what lies below the library's own task type: the smallest that follow the rules of
// core/task_context.hpp, and one that knows nothing of the library.
//
//     support::test_task<int> answer(concur::event& ready) {
//       int const value = 42;                       // first a local variable: trap C2
//       co_await ready.async_wait();
//       co_return value;
//     }
//     support::queue_executor here;
//     support::root_task root(here, answer(ready));
//     root.start();
//     here.run_until([&] { return root.done(); });
//     CHECK(root.result() == 42);
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace support::inline CONCUR_ABI {

template <class T = void>
class test_task;

/// What all promises of test_task share: the context of the chain, and who awaits this coroutine.
class test_promise_base {
 public:
  concur::task_context& context() const noexcept { return *context_; }
  void enter(concur::task_context& context) noexcept { context_ = &context; }

  /// Set only once this coroutine has suspended; one that ends before that returns to its caller instead.
  void continue_with(std::coroutine_handle<> awaiting) noexcept { awaiting_ = awaiting; }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  class final_awaiter {
   public:
    final_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      test_promise_base& promise = ended.promise();
      if (promise.awaiting_) promise.context().resume_next(promise.awaiting_);
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }

  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  std::exception_ptr take_error() noexcept { return std::exchange(error_, nullptr); }

 private:
  concur::task_context* context_ = nullptr;
  std::coroutine_handle<> awaiting_;
  std::exception_ptr error_;
};

template <class T>
class test_promise final : public test_promise_base {
 public:
  test_task<T> get_return_object() noexcept;
  template <class Value>
  void return_value(Value&& value) {
    value_.emplace(std::forward<Value>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class test_promise<void> final : public test_promise_base {
 public:
  test_task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

/// Lazy: runs when it is awaited, in the context of the coroutine that awaits it, or when a root_task starts it.
template <class T>
class [[nodiscard]] test_task {
 public:
  using promise_type = test_promise<T>;
  using handle_type = std::coroutine_handle<promise_type>;

  explicit test_task(handle_type coroutine) noexcept : coroutine_(coroutine) {}
  test_task(test_task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  test_task& operator=(test_task&&) = delete;
  ~test_task() {
    if (coroutine_) coroutine_.destroy();
  }

  handle_type handle() const noexcept { return coroutine_; }

  class awaiter {
   public:
    explicit awaiter(test_task&& child) noexcept : child_(std::move(child)) {}
    awaiter(awaiter const&) = delete;
    awaiter& operator=(awaiter const&) = delete;

    bool await_ready() const noexcept { return false; }

    template <concur::promise_with_context Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) noexcept {
      auto const child = child_.handle();
      auto& context = parent.promise().context();
      child.promise().enter(context);
      if (context.stack_left(__builtin_frame_address(0))) {
        child.resume();
        if (child.done()) return false;
      } else {
        context.resume_next(child);
      }
      child.promise().continue_with(parent);
      return true;
    }

    T await_resume() {
      auto& promise = child_.handle().promise();
      if (auto const error = promise.take_error()) std::rethrow_exception(error);
      return promise.take();
    }

   private:
    test_task child_;
  };

  awaiter operator co_await() && noexcept { return awaiter(std::move(*this)); }

 private:
  handle_type coroutine_;
};

template <class T>
test_task<T> test_promise<T>::get_return_object() noexcept {
  return test_task<T>(std::coroutine_handle<test_promise>::from_promise(*this));
}

inline test_task<void> test_promise<void>::get_return_object() noexcept {
  return test_task<void>(std::coroutine_handle<test_promise>::from_promise(*this));
}

/// A task with a context and a scope of its own: what `spawn` is in the library. Must live until it is done; may be
/// destroyed by whoever has seen that it is, or without having been started.
template <class T>
class root_task final : public concur::task_context {
 public:
  using sharing = concur::cancellation::sharing;

  /// A scope of its own.
  root_task(concur::executor& where, test_task<T> body, sharing use = sharing::many_threads) noexcept
      : task_context(&run, where, own_scope_), own_scope_(use), body_(std::move(body)) {
    enter_scope();
  }

  /// A scope inside `outer`.
  root_task(concur::executor& where, test_task<T> body, concur::cancellation& outer) noexcept
      : task_context(&run, where, own_scope_), own_scope_(outer), body_(std::move(body)) {
    enter_scope();
  }

  ~root_task() {
    if (is_linked()) own_scope_.remove(*this);
  }

  /// Posts it. Once.
  void start() {
    body_.handle().promise().enter(*this);
    resume_next(body_.handle());
    where().post(*this);
  }

  /// Any thread, until the task is destroyed. Returns whether it was the first cancel.
  bool cancel() noexcept { return own_scope_.cancel(); }

  /// Any thread.
  bool done() const noexcept { return state_.load(std::memory_order_acquire) != pending; }

  /// Blocks the calling thread, which must not be one that the task needs, until it is done.
  void wait_until_done() const noexcept {
    while (!done()) concur::os::futex_wait(state_, pending);
  }

  /// Once done: how it ended.
  bool was_cancelled() const noexcept { return state_.load(std::memory_order_acquire) == ended_cancelled; }
  bool failed() const noexcept { return state_.load(std::memory_order_acquire) == ended_failed; }
  std::exception_ptr error() const noexcept { return error_; }

  /// Once done: what it returned, or throws what it threw, `cancelled` too.
  T result() {
    if (error_) std::rethrow_exception(error_);
    return body_.handle().promise().take();
  }

 private:
  enum : std::uint32_t { pending, ended_well, ended_failed, ended_cancelled };

  void enter_scope() noexcept { own_scope_.add(*this); }

  static void run(concur::work& self) noexcept {
    auto& root = static_cast<root_task&>(self);
    if (root.drive()) root.finish();
  }

  void finish() noexcept {
    own_scope_.remove(*this);
    error_ = body_.handle().promise().take_error();
    auto const how = ending();
    // Whoever sees the state may destroy the task: after it only the address is used.
    state_.store(how, std::memory_order_release);
    concur::os::futex_wake(&state_, INT32_MAX);
  }

  std::uint32_t ending() const noexcept {
    if (!error_) return ended_well;
    try {
      std::rethrow_exception(error_);
    } catch (concur::cancelled const&) {
      return ended_cancelled;
    } catch (...) {
      return ended_failed;
    }
  }

  concur::cancellation own_scope_;
  test_task<T> body_;
  std::exception_ptr error_;
  concur::os::atomic<std::uint32_t> state_{pending};
};

template <class T>
root_task(concur::executor&, test_task<T>) -> root_task<T>;

/// A task, started.
template <class T>
std::unique_ptr<root_task<T>> spawn(concur::executor& where, test_task<T> body) {
  auto root = std::make_unique<root_task<T>>(where, std::move(body));
  root->start();
  return root;
}

/// A coroutine of somebody else's: its promise has no context. Starts at once, in the caller; its frame lives as long
/// as this object, which is used on the thread where the coroutine runs.
class [[nodiscard]] foreign_coroutine {
 public:
  class promise_type {
   public:
    foreign_coroutine get_return_object() noexcept {
      return foreign_coroutine(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

   private:
    friend foreign_coroutine;
    std::exception_ptr error_;
  };

  explicit foreign_coroutine(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  foreign_coroutine(foreign_coroutine&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  foreign_coroutine& operator=(foreign_coroutine&&) = delete;
  ~foreign_coroutine() {
    if (coroutine_) coroutine_.destroy();
  }

  bool done() const noexcept { return coroutine_.done(); }

  /// Once done: throws what the coroutine threw.
  void rethrow_error() const {
    if (coroutine_.promise().error_) std::rethrow_exception(coroutine_.promise().error_);
  }

 private:
  std::coroutine_handle<promise_type> coroutine_;
};

/// Awaits the operation that `make` returns, and cancels the scope of the task when it has decided to wait, but does
/// not stand in any list yet: the canceller finds nothing there to take out, so the list must refuse the task.
template <class Make>
class cancel_before_publish {
 public:
  explicit cancel_before_publish(Make const& make) : operation_(make()) {}
  cancel_before_publish(cancel_before_publish const&) = delete;
  cancel_before_publish& operator=(cancel_before_publish const&) = delete;

  bool await_ready() const noexcept { return operation_.await_ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    bool const waits = operation_.await_suspend(handle);
    handle.promise().context().scope().cancel();
    return waits;
  }
  decltype(auto) await_resume() { return operation_.await_resume(); }

 private:
  std::invoke_result_t<Make const&> operation_;
};

static_assert(concur::promise_with_context<test_task<int>::promise_type>);
static_assert(!concur::promise_with_context<foreign_coroutine::promise_type>);

}  // namespace support::inline CONCUR_ABI
