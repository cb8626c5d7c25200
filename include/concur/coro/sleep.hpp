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
#include <new>

namespace concur::inline CONCUR_ABI {

/// What `sleep_for` and `sleep_until` give.
class [[nodiscard]] sleep_awaiter : public wait_operation {
 public:
  enum class measure : bool { from_now, moment };

  sleep_awaiter(measure how, std::chrono::nanoseconds length) noexcept : when_(length), how_(how) {}
  sleep_awaiter(sleep_awaiter const&) = delete;
  sleep_awaiter& operator=(sleep_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_context& task = handle.promise().context();
    if (task.cancelled()) [[unlikely]] {
      state_ = state::stopped;
      return false;
    }
    timer_.set_item(task);
    task.suspend_in(*this, handle);
    return true;
  }

  void await_resume() const {
    if (state_ <= state::armed) [[likely]]
      return;
    if (state_ == state::stopped) throw cancelled();
    throw std::bad_alloc();
  }

  // A canceller holds the task's scope, so it finds the timer armed, or not yet: then the task finds itself cancelled.
  bool publish(task_context& task) noexcept override {
    executor& where = task.where();
    time_point deadline(when_);
    if (how_ == measure::from_now) {
      if (when_ <= when_.zero()) return in_queue.publish(task);
      deadline = time_point(saturating_add(where.now().time_since_epoch(), when_));
    }
    return task.scope().undisturbed([&] {
      if (task.cancelled()) {
        state_ = state::stopped;
        return false;
      }
      state_ = state::armed;
      try {
        where.arm(timer_, deadline);  // the last access: it may be due
      } catch (std::bad_alloc const&) {
        state_ = state::no_memory;
        return false;
      }
      return true;
    });
  }

  void cancel() noexcept override {
    if (state_ != state::armed) return;
    auto& task = static_cast<task_context&>(*timer_.item());
    if (!task.where().disarm(timer_)) return;
    state_ = state::stopped;
    task.where().post(task);
  }

 private:
  enum class state : unsigned char { fresh, armed, stopped, no_memory };

  timer_node timer_;
  std::chrono::nanoseconds const when_;
  measure const how_;
  state state_ = state::fresh;  // while the task waits under the lock of its scope
};

/// `co_await sleep_for(length)`: the task goes on that much later, or soon after, in the time of its executor, which in
/// tests may be a virtual one. Zero or less: it goes to the end of the queue. `hours::max()` is for ever. Throws
/// `cancelled`, and std::bad_alloc. Only for coroutines with a task context.
template <class Rep, class Period>
sleep_awaiter sleep_for(std::chrono::duration<Rep, Period> const& length) noexcept {
  return sleep_awaiter(sleep_awaiter::measure::from_now, saturated(length));
}

/// The same until a moment of any clock: how far away it is is asked once, when this is called.
template <class Clock, class Duration>
sleep_awaiter sleep_until(std::chrono::time_point<Clock, Duration> const& when) noexcept(noexcept(Clock::now())) {
  if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
    return sleep_awaiter(sleep_awaiter::measure::moment, saturated(when.time_since_epoch()));
  } else {
    auto const until = saturated(when.time_since_epoch());
    auto const now = saturated(Clock::now().time_since_epoch());
    return sleep_awaiter(sleep_awaiter::measure::from_now,
                         until == until.max() ? until : saturating_add(until, now == now.min() ? now.max() : -now));
  }
}

}  // namespace concur::inline CONCUR_ABI
