// SPDX-License-Identifier: BSL-1.0
//
// A task that waits for a descriptor, beside those who cancel it from elsewhere. The descriptor is readable from the
// start and the system is asked without waiting, so that nothing happens that the explorer does not see.
#include <concur/loop/detail/readiness_await.hpp>

#include "support/explored_task.hpp"

#include <concur/loop/detail/epoll_poller.hpp>
#include <concur/loop/detail/loop_inbox.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

namespace {

using concur::detail::descriptor_waiter;
using concur::detail::epoll_poller;
using concur::detail::loop_inbox;
using concur::detail::readiness_await;
using explored::counted;
using explored::one_slot_executor;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

/// A descriptor for all executions: always readable, or never.
int descriptor(unsigned count) {
  static int const readable = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  static int const silent = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return count != 0 ? readable : silent;
}

struct state {
  explicit state(bool readable) : fd(descriptor(readable ? 1 : 0)), root(here, wait(*this)) {}
  ~state() { ::close(inbox.eventfd()); }  // nobody posts there, so it need not outlive this

  static support::test_task<> wait(state& st) {
    int const one = 1;
    co_await readiness_await(st.here, st.poller, st.fd, descriptor_waiter::what::readable);
    st.passed.add(one);
  }

  /// On the loop's thread.
  void run() {
    root.start();
    here.run_one();
    if (!root.done()) {
      concur::executor_scope const mine(here);
      poller.look();
    }
    while (!root.done()) here.run_one();
    check(!poller.watching(), "a waiter was left behind");
  }

  int const fd;
  loop_inbox inbox;
  epoll_poller poller{inbox};
  one_slot_executor here;
  counted passed;
  support::root_task<void> root;
};

twice const cancelled("readiness", "a cancel from elsewhere", [](scenario& s) {
  auto& st = s.make<state>(false);
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] { check(st.root.was_cancelled() && st.passed.get() == 0, "it was not cancelled"); });
});

twice const beside_event("readiness", "a cancel from elsewhere beside the event", [](scenario& s) {
  auto& st = s.make<state>(true);
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] {
    check(!st.root.failed() && st.root.was_cancelled() == (st.passed.get() == 0),
          "neither woken nor cancelled, or both");
  });
});

twice const two_cancellers(
    "readiness", "two cancels from elsewhere beside the event",
    [](scenario& s) {
      auto& st = s.make<state>(true);
      s.thread("loop", [&st] { st.run(); });
      s.thread("canceller", [&st] { st.root.cancel(); });
      s.thread("another", [&st] { concur::cancellation::cancel_alone(st.root); });
      s.finally([&st] {
        check(!st.root.failed() && st.root.was_cancelled() == (st.passed.get() == 0),
              "neither woken nor cancelled, or both");
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("waits for descriptors: every schedule") { explored::run("readiness"); }
