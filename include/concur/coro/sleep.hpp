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

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <new>

namespace concur::inline CONCUR_ABI {

/// What `sleep_for` and `sleep_until` give: how long, in nanoseconds, or until when. Scalars, since GCC 12 keeps a
/// temporary object of a co_await in the frame beside the awaiter that it makes of it.
enum class [[nodiscard]] sleep_length : std::int64_t {};
enum class [[nodiscard]] sleep_moment : std::int64_t {};

/// What `co_await` makes of them. The task itself is the timer. Sixteen bytes, since a million may sleep at once; so
/// more than 73 years are for ever.
class [[nodiscard]] sleep_awaiter : public wait_operation {
 public:
  explicit sleep_awaiter(sleep_length length) noexcept : word_(kept(std::int64_t(length)) | has_length) {}
  explicit sleep_awaiter(sleep_moment when) noexcept : word_(kept(std::int64_t(when)) | has_moment) {}
  sleep_awaiter(sleep_awaiter const&) = delete;
  sleep_awaiter& operator=(sleep_awaiter const&) = delete;

  bool await_ready() const noexcept { return false; }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    task_context& task = handle.promise().context();
    if (task.cancelled()) [[unlikely]] {
      word_ = stopped;
      return false;
    }
    task.suspend_in(*this, handle);
    return true;
  }

  void await_resume() const {
    if ((word_ & all_tags) != failed) [[likely]]
      return;
    if (word_ == stopped) throw cancelled();
    throw std::bad_alloc();
  }

  // A canceller holds the task's scope, so it finds the timer armed, or not yet: then the task finds itself cancelled.
  bool publish(task_context& task) noexcept override {
    executor& where = task.where();
    std::chrono::nanoseconds const when(length_or_moment());
    time_point deadline(when);
    if ((word_ & all_tags) == has_length) {
      if (when <= when.zero()) return where.post_last(task);
      deadline = time_point(saturating_add(where.now().time_since_epoch(), when));
    }
    return task.scope().undisturbed([&] {
      if (task.cancelled()) {
        word_ = stopped;
        return false;
      }
      word_ = reinterpret_cast<std::uintptr_t>(&task) | asleep;
      try {
        where.arm(task, deadline);  // the last access: it may be due
      } catch (std::bad_alloc const&) {
        word_ = no_memory;
        return false;
      }
      return true;
    });
  }

  void cancel() noexcept override {
    if ((word_ & all_tags) != asleep) return;
    auto& task = *reinterpret_cast<task_context*>(word_);
    if (!task.where().disarm(task)) return;
    word_ = stopped;
    task.where().post(task);
  }

 private:
  // A length or a moment, then the task that sleeps, or why it does not. Written by the task, and while the task waits
  // under the lock of its scope.
  enum : std::uintptr_t {
    asleep = 0,
    has_length = 1,
    has_moment = 2,
    failed = 3,
    all_tags = 3,
    stopped = failed,
    no_memory = failed | 4,
  };
  static constexpr int tag_bits = 2;
  static constexpr std::int64_t longest = INT64_MAX >> tag_bits;

  static constexpr std::uintptr_t kept(std::int64_t nanoseconds) noexcept {
    return std::uintptr_t(std::clamp(nanoseconds, -longest, longest)) << tag_bits;
  }
  std::int64_t length_or_moment() const noexcept {
    auto const within = std::int64_t(word_) >> tag_bits;
    return within == longest ? INT64_MAX : within;
  }

  std::uintptr_t word_;
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
