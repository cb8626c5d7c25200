// SPDX-License-Identifier: BSL-1.0
//
// Lets a task sleep, without a thread that does.
//
//     co_await concur::sleep_for(500ms);
//     co_await concur::sleep_until(start + 2s);
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/cancellation.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/hop.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/timer_heap.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <new>

namespace concur::inline CONCUR_ABI {

/// What `sleep_for` and `sleep_until` give: how long, in nanoseconds, or until when. Scalars, since GCC 12 keeps a
/// temporary object of a co_await in the frame beside the awaiter that it makes of it.
enum class [[nodiscard]] sleep_length : std::int64_t {};
enum class [[nodiscard]] sleep_moment : std::int64_t {};

/// What `co_await` makes of them.
class [[nodiscard]] sleep_awaiter : public wait_operation {
 public:
  explicit sleep_awaiter(sleep_length length) noexcept : sleep_awaiter(std::int64_t(length), from_now) {}
  explicit sleep_awaiter(sleep_moment when) noexcept : sleep_awaiter(std::int64_t(when), fresh) {}
  sleep_awaiter(sleep_awaiter const&) = delete;
  sleep_awaiter& operator=(sleep_awaiter const&) = delete;
  ~sleep_awaiter() {
    if (state() == fresh) timer_.clear();
  }

  bool await_ready() const noexcept { return false; }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_context& task = handle.promise().context();
    if (task.cancelled()) [[unlikely]] {
      end(stopped);
      return false;
    }
    timer_.set_item(task);
    task.suspend_in(*this, handle);
    return true;
  }

  void await_resume() const {
    if (state() <= armed) [[likely]]
      return;
    if (state() == stopped) throw cancelled();
    throw std::bad_alloc();
  }

  // A canceller holds the task's scope, so it finds the timer armed, or not yet: then the task finds itself cancelled.
  bool publish(task_context& task) noexcept override {
    executor& where = task.where();
    std::chrono::nanoseconds const when(timer_.kept());
    time_point deadline(when);
    if ((timer_.note() & from_now) != 0) {
      if (when <= when.zero()) return where.post_last(task);
      deadline = time_point(saturating_add(where.now().time_since_epoch(), when));
    }
    return task.scope().undisturbed([&] {
      if (task.cancelled()) {
        end(stopped);
        return false;
      }
      end(armed);
      try {
        where.arm(timer_, deadline);  // the last access: it may be due
      } catch (std::bad_alloc const&) {
        timer_.set_note(no_memory);
        return false;
      }
      return true;
    });
  }

  void cancel() noexcept override {
    if (state() != armed) return;
    auto& task = static_cast<task_context&>(*timer_.item());
    if (!task.where().disarm(timer_)) return;
    timer_.set_note(stopped);
    task.where().post(task);
  }

 private:
  // The note of the timer, which keeps the length or the moment as long as it is fresh. Written by the task, and while
  // the task waits under the lock of its scope.
  enum : unsigned { fresh, armed, stopped, no_memory, from_now = 4 };

  sleep_awaiter(std::int64_t length_or_moment, unsigned note) noexcept {
    timer_.keep(length_or_moment);
    timer_.set_note(note);
  }
  unsigned state() const noexcept { return timer_.note() & ~unsigned{from_now}; }
  void end(unsigned state) noexcept {
    timer_.clear();
    timer_.set_note(state);
  }

  timer_node timer_;
};

inline sleep_awaiter operator co_await(sleep_length length) noexcept { return sleep_awaiter(length); }
inline sleep_awaiter operator co_await(sleep_moment when) noexcept { return sleep_awaiter(when); }

/// `co_await sleep_for(length)`: the task goes on that much later, or soon after, in the time of its executor, which in
/// tests may be a virtual one. Zero or less: it goes to the end of the queue. `hours::max()` is for ever. Throws
/// `cancelled`, and std::bad_alloc. Only for coroutines with a task context.
template <class Rep, class Period>
sleep_length sleep_for(std::chrono::duration<Rep, Period> const& length) noexcept {
  return sleep_length(saturated(length).count());
}

/// The same until a moment of the steady clock.
template <class Duration>
sleep_moment sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> const& when) noexcept {
  return sleep_moment(saturated(when.time_since_epoch()).count());
}

/// The same for any other clock: how far away the moment is is asked once, when this is called.
template <class Clock, class Duration>
sleep_length sleep_until(std::chrono::time_point<Clock, Duration> const& when) noexcept(noexcept(Clock::now())) {
  return sleep_length(distance_to(when).count());
}

}  // namespace concur::inline CONCUR_ABI
