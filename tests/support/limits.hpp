// SPDX-License-Identifier: BSL-1.0
//
// The time limits that every timed form is tried with: the ordinary, the extreme, and clocks of a user's own; and
// stops.
//
//     auto const try_for = [&](auto const& length) { return m.try_lock_for(length); };
//     auto const try_until = [&](auto const& moment) { return m.try_lock_until(moment); };
//     support::check_limits_in_vain(try_for, try_until);     // m is locked, and stays so
//     support::check_stop_in_vain([&](auto const& stop) { return m.lock(stop); });
//     support::check_limits_at_once(try_for, try_until, [&] { m.unlock(); });   // m is free
//     support::check_limits_in_time(try_for, try_until, [&] { m.lock(); }, [&] { m.unlock(); });
#pragma once

#include "catch.hpp"

#include <concur/core/os.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <thread>

namespace support {

/// A clock that moves by a fixed step each time it is read, and not otherwise.
template <class Tag, std::int64_t StepNanoseconds>
class stepping_clock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<stepping_clock>;
  static constexpr bool is_steady = false;

  static time_point now() noexcept { return time_point(duration(now_.fetch_add(StepNanoseconds) + StepNanoseconds)); }

  /// What the last `now` returned.
  static time_point last() noexcept { return time_point(duration(now_.load())); }
  static void set(time_point when) noexcept { now_.store(when.time_since_epoch().count()); }

 private:
  static inline std::atomic<rep> now_{0};
};

using jumping_clock = stepping_clock<struct jumping, 1'000'000'000'000>;  // a quarter of an hour each time
using creeping_clock = stepping_clock<struct creeping, 1'000>;

/// A clock that is set back by an hour after it was read once, and then runs as the steady one does.
class reset_clock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<reset_clock>;
  static constexpr bool is_steady = false;

  static time_point now() noexcept {
    auto const elapsed = std::chrono::steady_clock::now().time_since_epoch();
    return time_point(was_read_.exchange(true) ? elapsed - std::chrono::hours(1) : elapsed);
  }
  static void set_forward() noexcept { was_read_.store(false); }

 private:
  static inline std::atomic<bool> was_read_{false};
};

using float_seconds = std::chrono::duration<float>;
using double_hours = std::chrono::duration<double, std::ratio<3600>>;

/// Calls `each(description, length)` for durations that have passed when they are measured.
template <class Each>
void for_each_spent_duration(Each each) {
  using namespace std::chrono;
  each("0 s", seconds(0));
  each("0 ns", nanoseconds(0));
  each("-1 ns", nanoseconds(-1));
  each("-1 h", hours(-1));
  each("nanoseconds::min()", nanoseconds::min());
  each("hours::min()", hours::min());
  each("years::min()", years::min());
  each("-0.5 s", float_seconds(-0.5f));
  each("NaN", duration<double>(std::numeric_limits<double>::quiet_NaN()));
  each("minus infinity", duration<double>(-std::numeric_limits<double>::infinity()));
  each("lowest double", double_hours(std::numeric_limits<double>::lowest()));
}

/// … for durations too short for anything to happen in.
template <class Each>
void for_each_short_duration(Each each) {
  using namespace std::chrono;
  each("1 ns", nanoseconds(1));
  each("999 ns", nanoseconds(999));
  each("1 us", microseconds(1));
  each("2 ms", milliseconds(2));
  each("a denormal", duration<double>(std::numeric_limits<double>::denorm_min()));
  each("0.001 s", float_seconds(0.001f));
  each("1 as", duration<std::int64_t, std::atto>(1));
}

/// … for durations that do not end.
template <class Each>
void for_each_endless_duration(Each each) {
  using namespace std::chrono;
  each("nanoseconds::max()", nanoseconds::max());
  each("milliseconds::max()", milliseconds::max());
  each("hours::max()", hours::max());
  each("years::max()", years::max());
  each("infinity", duration<double>(std::numeric_limits<double>::infinity()));
  each("largest double", double_hours(std::numeric_limits<double>::max()));
  each("1 h", hours(1));
}

/// Calls `each(description, moment)` for moments that have passed.
template <class Each>
void for_each_past_moment(Each each) {
  using namespace std::chrono;
  each("steady min()", steady_clock::time_point::min());
  each("steady epoch", steady_clock::time_point());
  each("steady now", steady_clock::now());
  each("system min()", system_clock::time_point::min());
  each("system epoch", system_clock::time_point());
  each("system now", system_clock::now());
  each("system floating past", time_point<system_clock, duration<double>>(duration<double>(-1e300)));
  each("jumping min()", jumping_clock::time_point::min());
  jumping_clock::set(jumping_clock::time_point());
  each("jumping past", jumping_clock::time_point(nanoseconds(1)));
}

/// … for moments that come soon.
template <class Each>
void for_each_near_moment(Each each) {
  using namespace std::chrono;
  each("steady, 2 ms", steady_clock::now() + milliseconds(2));
  each("system, 2 ms", system_clock::now() + milliseconds(2));
  each("system, floating", time_point<system_clock, duration<double>>(system_clock::now() + milliseconds(2)));
  creeping_clock::set(creeping_clock::time_point());
  each("creeping, 20 steps", creeping_clock::time_point(microseconds(20)));
}

/// … for moments that do not come.
template <class Each>
void for_each_endless_moment(Each each) {
  using namespace std::chrono;
  each("steady max()", steady_clock::time_point::max());
  each("steady, 1 h", steady_clock::now() + hours(1));
  each("system max()", system_clock::time_point::max());
  each("system, 1 h", system_clock::now() + hours(1));
  each("system, days", time_point<system_clock, days>(days(2'000'000'000)));
  each("creeping max()", creeping_clock::time_point::max());
  creeping_clock::set(creeping_clock::time_point::min());
  each("creeping, from min()", creeping_clock::time_point::max() - nanoseconds(1));
  reset_clock::set_forward();
  each("reset, 1 h", reset_clock::time_point(steady_clock::now().time_since_epoch() + hours(1)));
}

/// With nothing to be had: every limit that ends ends the wait, with false and not early.
template <class TryFor, class TryUntil>
void check_limits_in_vain(TryFor try_for, TryUntil try_until) {
  using std::chrono::steady_clock;
  auto const length_in_vain = [&](char const* what, auto length) {
    INFO(what);
    CHECK_FALSE(try_for(length));
  };
  for_each_spent_duration(length_in_vain);
  for_each_short_duration([&](char const* what, auto length) {
    INFO(what);
    auto const begin = steady_clock::now();
    CHECK_FALSE(try_for(length));
    CHECK(steady_clock::now() - begin >= length);
  });
  for_each_past_moment([&](char const* what, auto moment) {
    INFO(what);
    CHECK_FALSE(try_until(moment));
  });
  for_each_near_moment(
      [&]<class Clock, class Duration>(char const* what, std::chrono::time_point<Clock, Duration> moment) {
        INFO(what);
        CHECK_FALSE(try_until(moment));
        CHECK(Clock::now() >= moment);
      });
}

/// With nothing to be had: a stop ends `wait(token)`, with false.
template <class Wait>
void check_stop_in_vain(Wait wait) {
  concur::os::stop_source source;
  bool had = true;
  std::thread waiting([&] { had = wait(source.get_token()); });
  source.request_stop();
  waiting.join();
  CHECK_FALSE(had);
  CHECK_FALSE(wait(source.get_token()));
}

/// With something to be had, a stop changes nothing.
template <class Wait>
void check_stop_too_late(Wait wait) {
  concur::os::stop_source source;
  source.request_stop();
  CHECK(wait(source.get_token()));
}

/// With something to be had, it is had whatever the limit. `give_back` undoes it.
template <class TryFor, class TryUntil, class GiveBack>
void check_limits_at_once(TryFor try_for, TryUntil try_until, GiveBack give_back) {
  auto const length_at_once = [&](char const* what, auto length) {
    INFO(what);
    CHECK(try_for(length));
    give_back();
  };
  for_each_spent_duration(length_at_once);
  for_each_short_duration(length_at_once);
  for_each_endless_duration(length_at_once);
  auto const moment_at_once = [&](char const* what, auto moment) {
    INFO(what);
    CHECK(try_until(moment));
    give_back();
  };
  for_each_past_moment(moment_at_once);
  for_each_near_moment(moment_at_once);
  for_each_endless_moment(moment_at_once);
}

/// What comes while a party waits with an endless limit is had. Before each wait `take_away`, and `give` beside it, on
/// another thread.
template <class TryFor, class TryUntil, class TakeAway, class Give>
void check_limits_in_time(TryFor try_for, TryUntil try_until, TakeAway take_away, Give give) {
  auto const beside = [&](auto attempt) {
    take_away();
    std::atomic<bool> begun{false};
    bool had = false;
    std::thread waiting([&] {
      begun.store(true);
      had = attempt();
    });
    while (!begun.load()) std::this_thread::yield();
    for (int i = 0; i < 200; ++i) std::this_thread::yield();  // likely asleep by then; right in any case
    give();
    waiting.join();
    return had;
  };
  for_each_endless_duration([&](char const* what, auto length) {
    INFO(what);
    CHECK(beside([&] { return try_for(length); }));
  });
  for_each_endless_moment([&](char const* what, auto moment) {
    INFO(what);
    CHECK(beside([&] { return try_until(moment); }));
  });
}

}  // namespace support
