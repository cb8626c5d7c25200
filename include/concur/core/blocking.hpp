// SPDX-License-Identifier: BSL-1.0
//
// The blocking side of every primitive: a thread or fiber that stands in a list waits until it is woken, until a
// deadline, or until a stop is requested.
//
//     waiter me;
//     if (enqueue(me)) why = wait_in_list(me, limit, [&] { return withdraw(me); });
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>

namespace concur::inline CONCUR_ABI {

/// How long a blocking verb may wait. The stop token, if any, must outlive the call.
struct wait_limit {
  time_point deadline = os::never;
  os::stop_token const* stop = nullptr;
};

/// Waits until `me`, which stands in a list, is woken or its limit is reached; `withdraw()` takes it out of the list
/// and says whether it was still there. Returns why: `none` for the deadline, `stopped` for the token. With these two
/// the wait has not succeeded and `me` is in no list; with every other the wake has happened, also when a limit was
/// reached at the same time. In every case nobody uses `me` any more.
template <class Withdraw>
wake_reason wait_in_list(waiter& me, wait_limit const& limit, Withdraw withdraw, spin_effort effort = {}) {
  auto const park = [&] {
    auto const why = me.park(limit.deadline, limit.deadline == at_once ? spin_effort{0, 0} : effort);
    if (why != wake_reason::none || withdraw()) return why;
    return me.finish();  // somebody else took it out and is about to wake it
  };
  if (limit.stop == nullptr) return park();
  auto const stop = [&] {
    if (withdraw()) me.wake(wake_reason::stopped);
  };
  // Its destructor waits for a callback that is under way, so `me` outlives it.
  os::stop_callback<decltype(stop) const&> const on_stop(*limit.stop, stop);
  return park();
}

}  // namespace concur::inline CONCUR_ABI
