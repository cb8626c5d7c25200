// SPDX-License-Identifier: BSL-1.0
//
// The promise behind `async_generator<T>`: that of a task, which ends, so to speak, at each co_yield.
#pragma once

#include <concur/core/await_link.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/task_promise.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

template <class T>
class async_generator;

namespace detail {

/// Gives the task to the consumer, on the consumer's executor, and forgets it: the next one may be another.
class yield_to_consumer {
 public:
  yield_to_consumer() noexcept {}
  yield_to_consumer(yield_to_consumer const&) = delete;
  yield_to_consumer& operator=(yield_to_consumer const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> body) const noexcept {
    await_link& link = body.promise();
    task_end::leave(link);
    link.forget_awaiting();
  }
  void await_resume() const noexcept {}
};

template <class T>
class async_generator_promise final : public task_promise_base {
  static_assert(alignof(T) <= 2 * sizeof(void*),
                "an async_generator cannot yield over-aligned objects: yield pointers to them");

  using element = std::remove_reference_t<T>;
  static constexpr bool by_reference = std::is_lvalue_reference_v<T>;

  // The consumer moves from what it gets, so what is not to be changed is copied. Not by a bitwise copy of an awaiter,
  // which GCC 12 makes of those that can be copied.
  class copied_element : public yield_to_consumer {
   public:
    explicit copied_element(element const& original) : copy_(original) {}

    void await_suspend(std::coroutine_handle<async_generator_promise> body) noexcept {
      body.promise().value_ = std::addressof(copy_);
      yield_to_consumer::await_suspend(body);
    }

   private:
    element copy_;
  };

 public:
  using result = std::conditional_t<by_reference, element*, std::optional<element>>;

  async_generator<T> get_return_object() noexcept {
    return async_generator<T>(std::coroutine_handle<async_generator_promise>::from_promise(*this));
  }
  void return_void() const noexcept {}

  yield_to_consumer yield_value(element& value) noexcept
    requires by_reference
  {
    value_ = std::addressof(value);
    return yield_to_consumer();
  }

  yield_to_consumer yield_value(element&& value) noexcept
    requires(!by_reference)
  {
    value_ = std::addressof(value);
    return yield_to_consumer();
  }
  // To be moved from is no harm for these.
  yield_to_consumer yield_value(element const& value) noexcept
    requires(!by_reference && std::is_trivially_copyable_v<element>)
  {
    value_ = std::addressof(value);
    return yield_to_consumer();
  }
  copied_element yield_value(element const& value)
    requires(!by_reference && !std::is_trivially_copyable_v<element> && std::copy_constructible<element>)
  {
    return copied_element(value);
  }

  /// Whether it has not begun, or stands at a co_yield: not while somebody waits for a value, and not after the end.
  bool at_rest() const noexcept { return value_ != nullptr; }

  /// Before it is resumed for a value, in the task of the consumer.
  void start(task_context& consumer) noexcept {
    enter(consumer);
    value_ = nullptr;
  }

  /// Once it stands again: the value, or nothing if it has ended, or throws the error.
  result take() {
    if (value_ == nullptr) [[unlikely]]
      return end();
    if constexpr (by_reference) {
      return static_cast<element*>(const_cast<void*>(value_));
    } else {
      return result(std::in_place, std::move(*static_cast<element*>(const_cast<void*>(value_))));
    }
  }

 private:
  [[gnu::cold, gnu::noinline]] result end() {
    if (auto const error = take_error()) std::rethrow_exception(error);
    return result();
  }

  void const* value_ = this;  // before the first start; then what was yielded, or null
};

}  // namespace detail
}  // namespace concur::inline CONCUR_ABI
