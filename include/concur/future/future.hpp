// SPDX-License-Identifier: BSL-1.0
//
// The result of work that is done elsewhere: a pool's job, a spawned task, a promise that somebody keeps. Python's
// Future, of both kinds: threads and fibers block on it, coroutines await it.
//
//     concur::future<int> f = pool.submit(count, text);
//     int const a = f.get();              // a thread or fiber
//     int const b = co_await g;           // a coroutine
//     h.on_done([](concur::outcome<int> const& how) { … });
//     concur::future<std::string> text = std::move(k).then([](int n) { return std::to_string(n); });
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/basic_future.hpp>
#include <concur/future/detail/continuation.hpp>
#include <concur/future/future_state.hpp>
#include <concur/future/outcome.hpp>
#include <concur/future/shared_future.hpp>

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// The only one that reads its result, once. Moves only. Eight bytes. What happened before the completion is visible to
/// whoever learns of it here.
///
/// Destroyed or assigned to, it lets go of the work, which goes on without it. An error that nobody took goes to the
/// hook for unhandled errors when the last reference to it has gone, unless it is `cancelled`.
template <class T>
class [[nodiscard]] future : public basic_future<T> {
  using base = basic_future<T>;

 public:
  /// Without a state.
  future() noexcept = default;
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;

  /// For producers: takes over a reference to their state.
  future(adopt_state_t, future_state<T>& state) noexcept : base(&state) {}

  void swap(future& other) noexcept { base::swap(other); }
  friend void swap(future& a, future& b) noexcept { a.swap(b); }

  /// Whether `get` may be called: it has a state, and its result was not taken.
  [[nodiscard]] bool valid() const noexcept { return this->state_ != nullptr && !this->state_->taken(); }

  /// Waits until it is done, and moves the value out or throws the error. Once: a second time throws misuse. Throws
  /// misuse also in a callback of this future, and as `wait` does.
  T get() {
    ready_to_take({});
    return this->state_->take();
  }

  /// The same until a stop is requested: then nothing, and it may be called again. For void an empty object or nothing.
  [[nodiscard]] std::optional<stored_value<T>> get(os::stop_token const& stop) {
    if (!ready_to_take({.stop = &stop})) return std::nullopt;
    return this->state_->take_outcome().stored_or_throw();
  }

  /// A future of what `f` returns for the result of this one, which it consumes. `f` gets the value moved, or nothing
  /// for void; then an error passes it by. If it cannot be called so, it gets the `outcome<T> const&`. It runs on the
  /// completing thread, as callbacks of `on_done` do and after them; at once, here, if it is done already. What it
  /// throws is the error of the new future. A future that it returns is a value like any other. A cancel of the new
  /// future cancels this one, and `f` does not begin any more. One allocation.
  template <class Function>
  auto then(Function&& f) &&;

  /// Gives the result up to any number of readers. The future has no state afterwards.
  [[nodiscard]] shared_future<T> share() && { return shared_future<T>(adopt_state, taken_away()); }

  /// `co_await f`, or of a temporary: waits without blocking the thread, and gives what `get` gives. The task that
  /// awaits owns the future: its cancel cancels the future and waits until that has ended. If it ended with a value all
  /// the same, that is what the await gives; an error is thrown as it is. In a task that is cancelled already, the
  /// await throws `cancelled` in any case and takes nothing, after the future was cancelled and has ended.
  auto operator co_await() & { return owning_await(*this); }
  auto operator co_await() && { return owning_await(*this); }

 private:
  class owning_await;

  bool ready_to_take(wait_limit const& limit) {
    auto& state = this->state();
    if (state.takeable()) return true;
    return state.wait_within(limit);
  }
  future_state<T>& taken_away() {
    auto& state = this->state();
    if (state.taken()) throw misuse("a future was given away whose result was taken");
    this->release();
    return state;
  }
};

/// Waits in steps: a cancel ends the first wait, and the task itself cancels the future and waits again. So nothing of
/// the future's callbacks runs on the canceller's thread, under the lock of its scope.
template <class T>
class [[nodiscard]] future<T>::owning_await final : public wait_operation {
 public:
  explicit owning_await(future& awaited) : future_(awaited) { awaited.state().require_not_in_callback(); }
  owning_await(owning_await const&) = delete;
  owning_await& operator=(owning_await const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if constexpr (promise_with_context<Promise>) {
      task_context& task = handle.promise().context();
      refused_ = task.cancelled();
      if (state().takeable()) return false;
      if (refused_) waiter_.settle(wake_reason::stopped);
      task.suspend_in_steps(*this, handle);
      return true;
    } else {
      return !state().takeable() && foreign_context::suspend(handle, *this, true);
    }
  }

  T await_resume() {
    if (refused_) [[unlikely]]
      throw cancelled();
    return state().take();
  }

  bool publish(task_context& task) noexcept override {
    for (;;) {
      auto const why = waiter_.reason();
      if (why == wake_reason::granted) break;
      if (why == wake_reason::stopped) state().cancel();
      waiter_.reuse();
      waiter_.bind(task, why == wake_reason::stopped ? waiter::manner::uncancellable : waiter::manner::plain);
      if (state().enqueue(waiter_)) return true;
      if (waiter_.reason() != wake_reason::stopped) break;
    }
    return false;
  }

  void cancel() noexcept override {
    if (state().withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  future_state<T>& state() const noexcept { return *future_.state_; }

  future& future_;
  waiter waiter_{nullptr};
  bool refused_ = false;
};

template <class T>
template <class Function>
auto future<T>::then(Function&& f) && {
  using continuation = detail::continuation<T, std::decay_t<Function>>;
  auto& source = this->state();
  if (source.taken()) throw misuse("a continuation was given to a future whose result was taken");
  auto* const next = new continuation(std::forward<Function>(f), source);
  this->release();  // the continuation has it
  future<typename continuation::result_type> result(adopt_state, *next);
  next->follow();
  return result;
}

}  // namespace concur::inline CONCUR_ABI
