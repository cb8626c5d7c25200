// SPDX-License-Identifier: BSL-1.0
//
// A task that waits until a descriptor is readable, beside those who cancel it from elsewhere.
#include <concur/loop/detail/readiness_await.hpp>

#include "explored_descriptor_wait.hpp"

#include <concur/core/cancellation.hpp>
#include <concur/loop/detail/descriptor_waiter.hpp>

#include <sys/eventfd.h>

namespace {

using concur::detail::descriptor_waiter;
using concur::detail::readiness_await;
using explored::descriptor_wait;
using explored::testing::scenario;
using explored::twice;

/// A descriptor for all executions: always readable, or never.
int descriptor(unsigned count) {
  static int const readable = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  static int const silent = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return count != 0 ? readable : silent;
}

support::test_task<> wait_once(descriptor_wait& st) {
  int const one = 1;
  co_await readiness_await(st.here, st.poller, st.fd, descriptor_waiter::what::readable);
  st.passed.add(one);
}

twice const cancelled("readiness", "a cancel from elsewhere", [](scenario& s) {
  explored::cancelled_in_vain(s, s.make<descriptor_wait>(descriptor(0), wait_once));
});

twice const beside_event("readiness", "a cancel from elsewhere beside the event", [](scenario& s) {
  explored::cancelled_or_not(s, s.make<descriptor_wait>(descriptor(1), wait_once));
});

twice const two_cancellers(
    "readiness", "two cancels from elsewhere beside the event",
    [](scenario& s) {
      auto& st = s.make<descriptor_wait>(descriptor(1), wait_once);
      explored::cancelled_or_not(s, st);
      s.thread("another", [&st] { concur::cancellation::cancel_alone(st.root); });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("waits for descriptors: every schedule") { explored::run("readiness"); }
