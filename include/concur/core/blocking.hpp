// SPDX-License-Identifier: BSL-1.0
//
// The blocking side of every primitive: a thread or fiber that stands in a list waits until it is woken, until a
// deadline, or until a stop is requested.
//
//     waiter me;
//     if (enqueue(me)) why = wait_in_list(me, limit, [&] { return withdraw(me); });
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>

#include <chrono>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// How long a blocking verb may wait. What it points at must outlive the call.
struct wait_limit {
  time_point deadline = os::never;
  os::stop_token const* stop = nullptr;
  // For a clock of the user's own: says, when the deadline has passed, what is left; `at_once` ends the wait.
  time_point (*ask_again)(void const* when) = nullptr;
  void const* when = nullptr;
};

/// Until `when`, on any clock. A jump forwards of a clock of the user's own is noticed only when the time measured
/// before has passed.
template <class Clock, class Duration>
wait_limit limit_at(std::chrono::time_point<Clock, Duration> const& when) {
  if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
    return {.deadline = deadline_at(when)};
  } else {
    using point = std::chrono::time_point<Clock, Duration>;
    return {.deadline = deadline_at(when),
            .ask_again = [](void const* same) { return deadline_at(*static_cast<point const*>(same)); },
            .when = &when};
  }
}

/// Whether its time has come or a stop was requested: for those who might go on without ever waiting.
inline bool limit_reached(wait_limit const& limit) {
  if (limit.stop != nullptr && limit.stop->stop_requested()) return true;
  if (limit.deadline == os::never || os::clock::now() < limit.deadline) return false;
  return limit.ask_again == nullptr || limit.ask_again(limit.when) == at_once;
}

/// Waits until `me`, which stands in a list, is woken or its limit is reached; `withdraw()` takes it out of the list
/// and says whether it was still there. Returns why: `none` for the deadline, `stopped` for the token. With these two
/// the wait has not succeeded and `me` is in no list; with every other the wake has happened, also when a limit was
/// reached at the same time. In every case nobody uses `me` any more.
template <class Withdraw>
wake_reason wait_in_list(waiter& me, wait_limit const& limit, Withdraw withdraw, spin_effort effort = {}) {
  auto const park = [&] {
    // It keeps its place in the list while a clock of the user's own is asked again.
    for (auto deadline = limit.deadline;;) {
      auto const why = me.park(deadline, deadline == at_once ? spin_effort{0, 0} : effort);
      if (why != wake_reason::none) return why;
      if (limit.ask_again != nullptr) deadline = limit.ask_again(limit.when);
      if (limit.ask_again == nullptr || deadline == at_once) break;
    }
    return withdraw() ? wake_reason::none : me.finish();  // not there: somebody is about to wake it
  };
  if (limit.stop == nullptr) return park();
  auto const stop = [&] {
    if (withdraw()) me.wake(wake_reason::stopped);
  };
  // Its destructor waits for a callback that is under way, so `me` outlives it.
  os::stop_callback<decltype(stop) const&> const on_stop(*limit.stop, stop);
  return park();
}

/// Waits for the limit alone. Returns whether no stop came before it.
inline bool sleep_within(wait_limit const& limit) {
  if (limit.deadline == at_once && limit.ask_again == nullptr) return true;
  waiter me;  // in no list: nobody wakes it but a stop
  os::atomic<bool> decided{false};
  // relaxed: the first to ask has decided, and hands nothing over.
  auto const withdraw = [&decided] { return !decided.exchange(true, std::memory_order_relaxed); };
  return wait_in_list(me, limit, withdraw, {0, 0}) == wake_reason::none;
}

}  // namespace concur::inline CONCUR_ABI
