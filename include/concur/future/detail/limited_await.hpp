// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for many futures, but not for ever. When its limit has passed, its executor posts an item that
// wakes it.
//
// The item may run beside the task, on another worker, and it lies in the task's frame. So a task whose wait is over
// takes the timer back; if it comes too late for that, it waits until the item has run.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/wait_list.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/detail/arrivals.hpp>

#include <chrono>
#include <type_traits>

namespace concur::inline CONCUR_ABI::detail {

/// What time it is for the executor whose thread this is.
inline time_point time_here() noexcept {
  executor const* const here = current_executor();
  return here != nullptr ? here->now() : os::clock::now();
}

/// When a wait is to be over: as a thread measures it, and as a task does, in the time of the executor whose thread
/// made this.
class arrivals_limit {
 public:
  /// Counts from now.
  template <class Rep, class Period>
  explicit arrivals_limit(std::chrono::duration<Rep, Period> const& length) noexcept
      : arrivals_limit(deadline_after(length), after(saturated(length))) {}

  template <class Clock, class Duration>
  explicit arrivals_limit(std::chrono::time_point<Clock, Duration> const& when)
      : arrivals_limit(deadline_at(when), moment(when)) {
    if constexpr (!std::is_same_v<Clock, std::chrono::steady_clock>) {
      using point = std::chrono::time_point<Clock, std::chrono::nanoseconds>;
      when_ = saturated(when.time_since_epoch());
      ask_again_ = [](void const* same) {
        return deadline_at(point(*static_cast<std::chrono::nanoseconds const*>(same)));
      };
    }
  }

  /// Valid while this lives.
  wait_limit for_thread() const noexcept { return {.deadline = deadline_, .ask_again = ask_again_, .when = &when_}; }
  time_point for_task() const noexcept { return deadline_here_; }

 private:
  arrivals_limit(time_point deadline, time_point deadline_here) noexcept
      : deadline_(deadline), deadline_here_(deadline_here) {}

  static time_point after(std::chrono::nanoseconds length) noexcept {
    if (length <= length.zero()) return at_once;
    return time_point(saturating_add(time_here().time_since_epoch(), length));
  }
  // How far away a moment of another clock is, is asked once.
  template <class Clock, class Duration>
  static time_point moment(std::chrono::time_point<Clock, Duration> const& when) {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
      return time_point(saturated(when.time_since_epoch()));
    } else {
      auto const length = distance_to(when);
      return length == length.max() ? os::never : after(length);
    }
  }

  time_point deadline_;
  time_point deadline_here_;
  std::chrono::nanoseconds when_{0};  // for a clock of the user's own, by that clock
  time_point (*ask_again_)(void const*) = nullptr;
};

/// Rings `arrivals` at some moment. For the party that waits there.
class arrivals_alarm final : public work {
 public:
  explicit arrivals_alarm(arrivals& rung) noexcept : work(&ring), rung_(rung) {}

  /// The first call sets it; `os::never` sets nothing. Throws std::bad_alloc; then it is not set.
  void set(executor& where, time_point when) {
    if (where_ != nullptr || when == os::never) return;
    where.arm(*this, when);
    where_ = &where;
  }

  /// Once. Returns false when it rings for certain, or has rung: it must not be destroyed before it has.
  bool take_back() noexcept { return where_ == nullptr || where_->disarm(*this); }

 private:
  static void ring(work& self) noexcept {
    static_cast<arrivals_alarm&>(self).rung_.ring();  // the last access
  }

  arrivals& rung_;
  executor* where_ = nullptr;
};

/// What `co_await` uses. Owner is as for arrivals_await; a cancel ends the wait only. What has arrived counts more than
/// the limit, and both more than a cancel that finds the wait over.
template <class Owner>
class [[nodiscard]] limited_arrivals_await final : public stepping_awaiter<limited_arrivals_await<Owner>> {
  using base = stepping_awaiter<limited_arrivals_await>;

 public:
  limited_arrivals_await(Owner& owner, time_point limit) noexcept
      : owner_(owner), limit_(limit), alarm_(owner.arrived()) {}

  auto await_resume() {
    base::await_resume();
    return owner_.result();
  }

  void cancel() noexcept override {
    if (owner_.arrived().withdraw(waiter_)) waiter_.wake(wake_reason::stopped);
  }

 private:
  friend base;

  bool attempt() noexcept { return owner_.ready() || limit_ <= time_here(); }

  bool step(task_context& task) {
    if (!over_) {
      while (!ends()) {
        alarm_.set(task.where(), limit_);
        if (sleeps(task, waiter::manner::plain, arrivals::news | arrivals::alarm)) return true;
      }
      over_ = true;
      if (alarm_.take_back()) return false;
    }
    // Not even a cancelled task may leave before the item has run. News wakes it in vain.
    return sleeps(task, waiter::manner::uncancellable, arrivals::alarm);
  }

  bool ends() noexcept {
    this->stopped_ = waiter_.reason() == wake_reason::stopped;
    return this->stopped_ || owner_.ready() || owner_.arrived().alarm_rang();
  }

  bool sleeps(task_context& task, waiter::manner how, wait_word::bits_type ending) noexcept {
    waiter_.reuse();
    waiter_.bind(task, how);
    return owner_.arrived().enqueue(waiter_, ending);
  }

  Owner& owner_;
  time_point const limit_;
  waiter waiter_{nullptr};
  arrivals_alarm alarm_;
  bool over_ = false;  // what remains is to wait for the alarm's item
};

}  // namespace concur::inline CONCUR_ABI::detail
