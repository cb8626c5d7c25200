// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that yields values one after the other and may wait between them. Python's async generator.
//
//     concur::async_generator<std::string> lines(concur::queue<char>& input) {
//       for (std::string line;; line.clear()) {
//         for (char c; (c = co_await input.async_get()) != '\n';) line += c;
//         co_yield line;
//       }
//     }
//     auto all = lines(input);
//     while (auto line = co_await all.next()) use(*line);
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/async_generator_promise.hpp>

#include <coroutine>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Moves only; eight bytes. Nothing runs before the first `next`. The body may co_yield whatever a T can be made of,
/// and co_await whatever a task may. It runs inside the call of `next`, as a task does that is awaited: in the task of
/// whoever calls, on the executor of that, stopped by the cancel of that. A body that moves to another executor goes
/// back for each co_yield, and begins where the next caller is.
///
/// Values that are yielded without a wait between them cost no stack, however many, no allocation and no atomic
/// operation. A T that is yielded as a temporary, or moved, is moved to the consumer; any other one is copied once.
///
/// Different tasks may call `next` one after the other, not at the same time, which checked builds report when they
/// see it. Destroyed before its end, it destroys the variables of the body where it stands; it must not be destroyed
/// while somebody awaits `next`.
///
/// T is a type that can be moved, or a reference; objects of alignment above 16 are not supported. The call of the
/// coroutine throws std::bad_alloc, `next` does not.
template <class T>
class [[nodiscard]] async_generator {
  static_assert(std::is_lvalue_reference_v<T> || (std::is_object_v<T> && !std::is_const_v<T>),
                "an async_generator yields objects, T& or T const&");

 public:
  using promise_type = detail::async_generator_promise<T>;
  using handle_type = std::coroutine_handle<promise_type>;

  /// What `next` gives: a std::optional<T>, and for a T& a pointer.
  using result = typename promise_type::result;

  explicit async_generator(handle_type body) noexcept : body_(body) {}
  async_generator(async_generator&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  async_generator& operator=(async_generator&& other) noexcept {
    async_generator(std::move(other)).swap(*this);
    return *this;
  }
  ~async_generator() {
    if (!body_) return;
    CONCUR_ASSERT(body_.promise().at_rest() || body_.done(),
                  "an async_generator was destroyed while a task waits for its next value");
    body_.destroy();
  }

  void swap(async_generator& other) noexcept { std::swap(body_, other.body_); }
  friend void swap(async_generator& a, async_generator& b) noexcept { a.swap(b); }

  class next_awaiter;

  /// `co_await g.next()`: runs the body up to its next co_yield and gives the value, or nothing at its end. Throws what
  /// leaves the body, `cancelled` too; that is an end as well. After the end it gives nothing for ever. What a pointer
  /// points at stays until the next call. Not a point of cancellation by itself.
  next_awaiter next() noexcept { return next_awaiter(body_); }

 private:
  handle_type body_;  // null when it was moved from
};

/// For coroutines whose promise has a context, which includes those of users (core/awaiter.hpp).
template <class T>
class [[nodiscard]] async_generator<T>::next_awaiter {
 public:
  using context_aware = void;  // see coro/foreign_await.hpp

  explicit next_awaiter(handle_type body) noexcept : body_(body) {}
  next_awaiter(next_awaiter const&) = delete;
  next_awaiter& operator=(next_awaiter const&) = delete;

  bool await_ready() {
    CONCUR_ASSERT(body_, "next() of an async_generator that was moved from");
    if (!body_.done()) [[likely]]
      return false;
    body_ = nullptr;
    return true;
  }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> consumer) {
    task_context& context = consumer.promise().context();
    auto& body = body_.promise();
    CONCUR_ASSERT(body.at_rest(), "next() of an async_generator was called while a task waits for its next value");
    body.start(context);
    if (context.stack_left(__builtin_frame_address(0))) [[likely]] {
      body_.resume();
      if (body.at_rest() || body_.done()) [[likely]]
        return false;
      body.set_awaiting(consumer);
      return true;
    }
    body.set_awaiting(consumer);
    context.resume_next(body_);
    return true;
  }

  result await_resume() {
    if (!body_) [[unlikely]]
      return result();
    return body_.promise().take();
  }

 private:
  handle_type body_;  // null when it had ended before
};

}  // namespace concur::inline CONCUR_ABI
