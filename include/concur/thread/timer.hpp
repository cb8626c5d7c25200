// SPDX-License-Identifier: BSL-1.0
//
// A function that is called later, once or again and again, on a thread of its own. Python's threading.Timer.
//
//     concur::timer alarm(2s, [] { std::puts("two seconds are over"); });
//     auto heartbeat = concur::timer::every(100ms, beat, std::ref(heart));
//     if (alarm.cancel()) std::puts("it did not come to that");
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/thread/detail/thread_state.hpp>
#include <concur/thread/thread.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Owns a thread, which sleeps meanwhile; thousands of timers belong on an event loop. The function is called with its
/// arguments as lvalues. What it throws goes to the hook for unhandled errors, and a periodic timer goes on.
///
/// A periodic timer keeps its beat: its calls are due at whole periods after the start, however long they take, and
/// those that are due while another still runs are left out.
///
/// Moves only. Joins, `cancel` and `pending` may be called from any thread while the object lives, `cancel` also from
/// the function itself. The end of the program waits for its call as for any thread, unless it is a daemon by its
/// options.
class timer {
 public:
  /// Calls `function(arguments…)` once, `delay` from now; at once when that is not positive. Throws as the constructor
  /// of `thread` does.
  template <class Rep, class Period, class Function, class... Arguments>
  explicit timer(std::chrono::duration<Rep, Period> const& delay, Function&& function, Arguments&&... arguments)
      : timer(thread_options(), delay, std::forward<Function>(function), std::forward<Arguments>(arguments)...) {}
  template <class Rep, class Period, class Function, class... Arguments>
  explicit timer(thread_options const& options, std::chrono::duration<Rep, Period> const& delay, Function&& function,
                 Arguments&&... arguments)
      : timer(options, deadline_after(delay), std::chrono::nanoseconds::zero(), std::forward<Function>(function),
              std::forward<Arguments>(arguments)...) {}

  /// Calls it every `period`, for the first time one period from now. Throws misuse when the period is not positive.
  template <class Rep, class Period, class Function, class... Arguments>
  [[nodiscard]] static timer every(std::chrono::duration<Rep, Period> const& period, Function&& function,
                                   Arguments&&... arguments) {
    return every(thread_options(), period, std::forward<Function>(function), std::forward<Arguments>(arguments)...);
  }
  template <class Rep, class Period, class Function, class... Arguments>
  [[nodiscard]] static timer every(thread_options const& options, std::chrono::duration<Rep, Period> const& period,
                                   Function&& function, Arguments&&... arguments) {
    auto const length = saturated(period);
    if (length <= length.zero()) throw misuse("a periodic timer needs a period longer than nothing");
    return timer(options, deadline_after(length), length, std::forward<Function>(function),
                 std::forward<Arguments>(arguments)...);
  }

  timer(timer&&) noexcept = default;
  timer& operator=(timer&& other) noexcept {
    if (this != &other) {
      cancel();
      plan_ = std::move(other.plan_);
      thread_ = std::move(other.thread_);
    }
    return *this;
  }
  /// Cancels it and waits for a call that is under way, unless this is in that call, or the timer's thread is a daemon:
  /// then what the call uses has to outlive it.
  ~timer() { cancel(); }

  /// Sees to it that no further call begins. Returns whether there would have been one. Does not wait for a call that
  /// is under way.
  bool cancel() noexcept;

  /// Whether a call will still begin, as far as is known now.
  [[nodiscard]] bool pending() const noexcept { return plan_ != nullptr && plan_->pending(); }

  /// Waits until the last call has ended, or the timer was cancelled and no call is under way. Throws misuse in the
  /// call itself, and when the object was moved from.
  void join() { thread_.join(); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_join_for(std::chrono::duration<Rep, Period> const& limit) {
    return thread_.try_join_for(limit);
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_join_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return thread_.try_join_until(limit);
  }
  [[nodiscard]] bool join(os::stop_token const& stop) { return thread_.join(stop); }
  [[nodiscard]] awaitable<void> auto async_join() { return thread_.async_join(); }

 private:
  // What the object and its thread share.
  class plan {
   public:
    explicit plan(std::chrono::nanoseconds period) noexcept : period_(period) {}

    bool pending() const noexcept {
      // relaxed, here and in cancel: what is shared is shared by the thread's start and end.
      return may_cancel(stage_.load(std::memory_order_relaxed));
    }
    bool cancel() noexcept {
      stage now = stage_.load(std::memory_order_relaxed);
      while (may_cancel(now)) {
        if (stage_.compare_exchange_weak(now, stage::over, std::memory_order_relaxed)) return true;
      }
      return false;
    }

    template <class Call>
    void carry_out(time_point due, os::stop_token const& stop, Call call);

   private:
    enum class stage : unsigned char { waiting, calling, over };

    bool periodic() const noexcept { return period_ > period_.zero(); }
    bool may_cancel(stage now) const noexcept { return now == stage::waiting || (now == stage::calling && periodic()); }
    bool advance(stage from, stage to) noexcept {
      return stage_.compare_exchange_strong(from, to, std::memory_order_relaxed);
    }
    time_point after(time_point due) const noexcept {
      auto const late = os::clock::now() - due;
      auto const left_out = late > late.zero() ? late / period_ : 0;
      return time_point(saturating_add(due.time_since_epoch(), period_ * (left_out + 1)));
    }

    std::chrono::nanoseconds const period_;  // zero: once
    // waiting → calling → waiting … → over. Whoever takes it out of `waiting` decides between a call and a cancel.
    os::atomic<stage> stage_{stage::waiting};
  };

  template <class Function, class... Arguments>
  explicit timer(thread_options const& options, time_point due, std::chrono::nanoseconds period, Function&& function,
                 Arguments&&... arguments)
      : plan_(std::make_shared<plan>(period)),
        thread_(options, [due, shared = plan_, call = std::decay_t<Function>(std::forward<Function>(function)),
                          given = std::tuple<std::decay_t<Arguments>...>(std::forward<Arguments>(arguments)...)](
                             os::stop_token const& stop) mutable {
          shared->carry_out(due, stop, [&] { std::apply(call, given); });
        }) {}

  std::shared_ptr<plan> plan_;
  thread thread_;
};

inline bool timer::cancel() noexcept {
  if (plan_ == nullptr || !plan_->cancel()) return false;
  thread_.request_stop();
  return true;
}

template <class Call>
void timer::plan::carry_out(time_point due, os::stop_token const& stop, Call call) {
  for (; sleep_within({.deadline = due, .stop = &stop}); due = after(due)) {
    if (!advance(stage::waiting, stage::calling)) return;
    try {
      call();
    } catch (...) {
      auto const error = std::current_exception();
      if (error == nullptr) {  // pthread_exit or pthread_cancel, which must go on
        stage_.store(stage::over, std::memory_order_relaxed);
        throw;
      }
      detail::thread_state::current()->report(error);
    }
    if (!advance(stage::calling, periodic() ? stage::waiting : stage::over) || !periodic()) return;
  }
}

}  // namespace concur::inline CONCUR_ABI
