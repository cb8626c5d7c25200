// SPDX-License-Identifier: BSL-1.0
//
// Until when something may last: for so long from its start on, until a moment, or for ever.
//
//     time_limit const limit = time_limit::after(30s);
//     where.arm(timer, limit.moment(where));  // counted from now
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>

#include <chrono>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// When something is to be over, in the time of the executor where it happens.
class time_limit {
 public:
  enum class measure : bool { from_start, moment };

  /// Never.
  constexpr time_limit() noexcept = default;

  template <class Rep, class Period>
  static time_limit after(std::chrono::duration<Rep, Period> const& length) noexcept {
    return time_limit(measure::from_start, saturated(length));
  }

  /// How far away a moment of another clock is, is asked now.
  template <class Clock, class Duration>
  static time_limit at(std::chrono::time_point<Clock, Duration> const& when) noexcept(noexcept(Clock::now())) {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
      return time_limit(measure::moment, saturated(when.time_since_epoch()));
    } else {
      return time_limit(measure::from_start, distance_to(when));
    }
  }

  bool is_never() const noexcept { return length_ == length_.max(); }

  /// The moment itself, counted from now if it counts from a start: `at_once` when it has passed.
  time_point moment(executor const& where) const noexcept {
    if (is_never()) return os::never;
    time_point const now = where.now();
    auto const when = how_ == measure::moment ? length_ : saturating_add(now.time_since_epoch(), length_);
    return time_point(when) <= now ? at_once : time_point(when);
  }

 private:
  constexpr time_limit(measure how, std::chrono::nanoseconds length) noexcept : length_(length), how_(how) {}

  std::chrono::nanoseconds length_ = std::chrono::nanoseconds::max();
  measure how_ = measure::moment;
};

}  // namespace concur::inline CONCUR_ABI
