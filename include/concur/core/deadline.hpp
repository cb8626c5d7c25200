// SPDX-License-Identifier: BSL-1.0
//
// Turns the time limits of the public interface (any duration, any clock) into a point on the seam's clock.
//
//     bool try_acquire_for(auto d) { return try_acquire_before(deadline_after(d)); }
//     bool try_acquire_until(auto t) { return wait_on_clock(t, [&](auto limit) { return try_acquire_before(limit); });
//     }
//
// Limits saturate instead of overflowing: hours::max() from now is never, a point before the clock's epoch has passed.
#pragma once

#include <concur/core/os.hpp>

#include <chrono>
#include <cstdint>
#include <ratio>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// A moment on the clock that all waits follow. It is not set back and does not run during system sleep.
using time_point = std::chrono::steady_clock::time_point;

/// A moment that has always passed: an operation with this limit looks once and does not wait.
inline constexpr time_point at_once = time_point::min();

/// The duration in nanoseconds, rounded up, held at the ends of the range where it does not fit. NaN is zero.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds saturated(std::chrono::duration<Rep, Period> const& length) noexcept {
  using std::chrono::nanoseconds;
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    using fractional = std::chrono::duration<long double, std::nano>;
    fractional const exact = length;
    if (exact.count() != exact.count()) return nanoseconds::zero();
    if (exact >= fractional(nanoseconds::max())) return nanoseconds::max();
    if (exact <= fractional(nanoseconds::min())) return nanoseconds::min();
    return std::chrono::ceil<nanoseconds>(exact);
  } else {
    // Not by <chrono>'s own conversions and comparisons, which overflow: hours::max() is no nanoseconds.
    __extension__ using wide = __int128;
    using unit = std::ratio_divide<Period, std::nano>;
    wide scaled = 0;
    if (__builtin_mul_overflow(static_cast<wide>(length.count()), wide{unit::num}, &scaled)) {
      return length.count() < 0 ? nanoseconds::min() : nanoseconds::max();
    }
    wide const rounded = scaled / unit::den + (scaled % unit::den > 0 ? 1 : 0);
    if (rounded > nanoseconds::max().count()) return nanoseconds::max();
    if (rounded < nanoseconds::min().count()) return nanoseconds::min();
    return nanoseconds(static_cast<nanoseconds::rep>(rounded));
  }
}

/// `a + b`, held at the ends of the range.
constexpr std::chrono::nanoseconds saturating_add(std::chrono::nanoseconds a, std::chrono::nanoseconds b) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a.count(), b.count(), &sum)) {
    return b.count() < 0 ? std::chrono::nanoseconds::min() : std::chrono::nanoseconds::max();
  }
  return std::chrono::nanoseconds(sum);
}

/// The moment `length` from now: `at_once` when it is zero or negative, `os::never` when it is beyond the clock.
template <class Rep, class Period>
time_point deadline_after(std::chrono::duration<Rep, Period> const& length) noexcept {
  auto const nanoseconds = saturated(length);
  if (nanoseconds <= nanoseconds.zero()) return at_once;
  return time_point(saturating_add(os::clock::now().time_since_epoch(), nanoseconds));
}

/// How far away a point on any clock is, as far as can be said now: nanoseconds::max() for the clock's max(), zero or
/// less when it has come.
template <class Clock, class Duration>
std::chrono::nanoseconds distance_to(std::chrono::time_point<Clock, Duration> const& when) noexcept(
    noexcept(Clock::now())) {
  auto const target = saturated(when.time_since_epoch());
  if (target == target.max()) return target;
  auto const now = saturated(Clock::now().time_since_epoch());
  // -min() does not exist; one nanosecond more or less beside 292 years is nothing.
  return saturating_add(target, now == now.min() ? now.max() : -now);
}

/// The moment at which a point on any clock comes, as far as can be said now: a clock of the user's own may be set or
/// run at another speed, so it has to be asked again then. `at_once` when it has come, `os::never` for the clock's
/// max().
template <class Clock, class Duration>
time_point deadline_at(std::chrono::time_point<Clock, Duration> const& when) noexcept(noexcept(Clock::now())) {
  if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
    return time_point(saturated(when.time_since_epoch()));
  } else {
    return deadline_after(distance_to(when));
  }
}

}  // namespace concur::inline CONCUR_ABI
