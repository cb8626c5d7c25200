// SPDX-License-Identifier: BSL-1.0
//
// The promises behind `task<T>`: how one begins and ends, where its frame comes from, and what co_await means in it.
#pragma once

#include <concur/core/assert.hpp>
#include <concur/core/await_link.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/frame_recycler.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/task_context.hpp>
#include <concur/coro/detail/giving_up.hpp>
#include <concur/coro/detail/task_result.hpp>
#include <concur/coro/foreign_await.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstring>
#include <exception>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

template <class T>
class task;

namespace detail {

/// Gives the task to whoever awaits the coroutine that has ended. Nobody does yet if it ended before its first
/// suspension: then it returns to its caller, which is the awaiting coroutine or the trampoline.
class task_end {
 public:
  task_end() noexcept {}
  task_end(task_end const&) = delete;
  task_end& operator=(task_end const&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    leave(ended.promise());
  }
  void await_resume() const noexcept {}

  static void leave(await_link& link) noexcept {
    tagged_frame next;
    if (!link.ends_plainly(next)) [[unlikely]]
      return leave_slowly(link);
    if (next) link.context().resume_next(next);
  }

 private:
  // An outermost coroutine leaves the way back to whoever spawned it.
  [[gnu::noinline]] static void leave_slowly(await_link& link) noexcept {
    tagged_frame const next = link.awaiting();
    if (!next) return;
    task_context& context = link.context();
    if (link.moved() != nullptr && move_back(context, *link.moved())) {
      context.suspend_in(in_other_queue, next);
    } else {
      context.resume_next(next);
    }
  }
};

/// What all promises of tasks share.
class task_promise_base : public await_link {
 public:
  static void* operator new(std::size_t size) {
    void* const frame = frame_recycler::allocate(bytes_of_frame(size));
    // What GCC 12 reads in a coroutine that it has lost (trap C2) is never written: so it is found, and not at random.
    if constexpr (CONCUR_CHECKED != 0) std::memset(frame, 0, size);
    return frame;
  }
  static void operator delete(void* frame, std::size_t size) noexcept {
    frame_recycler::free(frame, bytes_of_frame(size));
  }

  /// Requires: it has begun, or goes because somebody gave up. The report names the function of the coroutine.
  void require_not_forgotten() const {
    if constexpr (CONCUR_CHECKED != 0) {
      if (giving_up::here()) return;
      report_misuse("a task was destroyed without having been awaited or spawned: is a co_await missing?",
                    location_of(stands_at()));
    }
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  task_end final_suspend() const noexcept { return task_end(); }
  void unhandled_exception() noexcept { fail(std::current_exception()); }

  // Every co_await notes where it stands. Awaiters are returned as they are made, or by a pointer: GCC 12 copies what
  // it gets by reference.
  template <class T>
  auto await_transform(task<T>&& child, source_place place = __builtin_source_location()) noexcept {
    stand_at(place);
    return std::move(child).operator co_await();
  }
  template <class Scalar>
    requires std::is_enum_v<Scalar>
  auto await_transform(Scalar awaitable, source_place place = __builtin_source_location()) {
    stand_at(place);
    return await_as_task(awaitable);
  }
  template <class Awaitable>
    requires(!std::is_enum_v<std::remove_cvref_t<Awaitable>>)
  auto await_transform(Awaitable&& awaitable, source_place place = __builtin_source_location()) {
    stand_at(place);
    return await_as_task(std::forward<Awaitable>(awaitable));
  }
};

template <class T>
class task_promise final
    : public task_promise_base,
      public std::conditional_t<fits_place<T>, result_in_place<T, task_promise<T>>, task_result<T>> {
 public:
  // The place is in the coroutine's function: its head, its opening or its closing brace, as the compiler has it.
  task<T> get_return_object(source_place place = __builtin_source_location()) noexcept {
    if constexpr (CONCUR_CHECKED != 0) this->stand_at(place);
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
  }

  /// Once it has ended: the value, or throws the error.
  T take() {
    if (has_failed()) [[unlikely]]
      rethrow(*this);
    return this->take_value();
  }

 private:
  friend class result_in_place<T, task_promise>;

  [[noreturn, gnu::cold, gnu::noinline]] static void rethrow(await_link& failed) {
    std::rethrow_exception(failed.take_error());
  }
};

}  // namespace detail
}  // namespace concur::inline CONCUR_ABI
