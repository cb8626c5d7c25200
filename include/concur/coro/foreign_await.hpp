// SPDX-License-Identifier: BSL-1.0
//
// What `co_await x` becomes inside a coroutine of the library.
//
// An awaiter that derives from wait_operation, or says that it is `context_aware`, takes part in the task: its
// await_suspend gets the handle itself. Any other one may resume the handle it gets whenever and wherever it likes, so
// it gets that of a stand-in: a coroutine of its own, which posts the task to its executor.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/task_context.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// An awaiter that takes part in the task that awaits it. An awaiter of a user's own need not: then the wait cannot be
/// cancelled, and the task is posted to its executor when it is resumed.
template <class Awaiter>
concept takes_part = std::derived_from<Awaiter, wait_operation> || requires { typename Awaiter::context_aware; };

/// Stands in for a task's coroutine: resumed once, it posts the task.
class stand_in {
 public:
  class promise_type {
   public:
    static void* operator new(std::size_t size) { return frame_recycler::allocate(bytes_of_frame(size)); }
    static void operator delete(void* frame, std::size_t size) noexcept {
      frame_recycler::free(frame, bytes_of_frame(size));
    }

    explicit promise_type(task_context& task) noexcept : task_(&task) {}
    stand_in get_return_object() noexcept { return stand_in(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }

    // The frame is gone before the task can run.
    class end {
     public:
      end() noexcept {}
      end(end const&) = delete;
      end& operator=(end const&) = delete;
      bool await_ready() const noexcept { return false; }
      // Not inlined, so that nothing of it is kept in the frame that it destroys (trap C6).
      [[gnu::noinline]] void await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
        task_context& task = *ended.promise().task_;
        ended.destroy();
        task.where().post(task);
      }
      void await_resume() const noexcept {}
    };
    end final_suspend() const noexcept { return end(); }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}

   private:
    task_context* task_;
  };

  explicit stand_in(std::coroutine_handle<promise_type> coroutine) noexcept : handle(coroutine) {}
  static stand_in make(task_context&) { co_return; }

  std::coroutine_handle<> handle;
};

/// Awaits somebody else's awaiter. The wait cannot be cancelled, since nobody knows how to end it; the next one is
/// refused.
template <class Awaiter>
class foreign_await final : public wait_operation {
 public:
  /// `Awaiter` is a reference, or the type of a prvalue that is made in place.
  template <class Make>
  explicit foreign_await(Make make) : awaiter_(make()) {}
  foreign_await(foreign_await const&) = delete;
  foreign_await& operator=(foreign_await const&) = delete;

  bool await_ready() { return bool(awaiter_.await_ready()); }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().context().suspend_in(*this, handle);
  }

  decltype(auto) await_resume() {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
    return awaiter_.await_resume();
  }

  // Once the handle has been given away the task may run elsewhere, and this object may be gone.
  bool publish(task_context& task) noexcept override {
    std::coroutine_handle<> given;
    try {
      given = stand_in::make(task).handle;
      if (starts(given)) return true;
    } catch (...) {
      error_ = std::current_exception();
    }
    if (given) given.destroy();
    return false;
  }

  void cancel() noexcept override {}

 private:
  // Not inlined, so that nothing of this frame is written after the handle has escaped (trap C6).
  [[gnu::noinline]] bool starts(std::coroutine_handle<> given) {
    using result = decltype(awaiter_.await_suspend(given));
    if constexpr (std::is_void_v<result>) {
      awaiter_.await_suspend(given);
      return true;
    } else if constexpr (std::same_as<result, bool>) {
      return awaiter_.await_suspend(given);
    } else {
      std::coroutine_handle<> const next = awaiter_.await_suspend(given);
      if (next == given) return false;
      // Nobody is left to whom an error of that coroutine could go.
      [](std::coroutine_handle<> other) noexcept { other.resume(); }(next);
      return true;
    }
  }

  Awaiter awaiter_;
  std::exception_ptr error_;
};

/// Awaits an awaiter that lives elsewhere, in the same expression.
template <class Awaiter>
class await_in_place {
 public:
  explicit await_in_place(Awaiter& awaiter) noexcept : awaiter_(&awaiter) {}
  await_in_place(await_in_place const&) = delete;
  await_in_place& operator=(await_in_place const&) = delete;

  bool await_ready() { return awaiter_->await_ready(); }
  template <class Promise>
  decltype(auto) await_suspend(std::coroutine_handle<Promise> handle) {
    return awaiter_->await_suspend(handle);
  }
  decltype(auto) await_resume() { return awaiter_->await_resume(); }

 private:
  Awaiter* awaiter_;
};

/// The awaiter for anything that can be awaited: by a member, a free operator, or being one itself.
template <class Awaitable>
auto await_as_task(Awaitable&& awaitable) {
  if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
    using result = decltype(std::forward<Awaitable>(awaitable).operator co_await());
    if constexpr (std::is_reference_v<result>) {
      return await_as_task(std::forward<Awaitable>(awaitable).operator co_await());
    } else if constexpr (takes_part<result>) {
      return std::forward<Awaitable>(awaitable).operator co_await();
    } else {
      return foreign_await<result>([&]() -> result { return std::forward<Awaitable>(awaitable).operator co_await(); });
    }
  } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
    using result = decltype(operator co_await(std::forward<Awaitable>(awaitable)));
    if constexpr (std::is_reference_v<result>) {
      return await_as_task(operator co_await(std::forward<Awaitable>(awaitable)));
    } else if constexpr (takes_part<result>) {
      return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
      return foreign_await<result>([&]() -> result { return operator co_await(std::forward<Awaitable>(awaitable)); });
    }
  } else {
    using awaiter = std::remove_reference_t<Awaitable>;
    static_assert(
        requires(awaiter& a) {
          a.await_ready();
          a.await_resume();
        },
        "co_await needs a task, a future, an async_ form, or an awaitable of your own; "
        "a task that has a name is moved: co_await std::move(t)");
    if constexpr (takes_part<awaiter>) {
      return await_in_place<awaiter>(awaitable);
    } else {
      return foreign_await<awaiter&>([&]() -> awaiter& { return awaitable; });
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
