// SPDX-License-Identifier: BSL-1.0
//
// A task that waits at a descriptor, beside those who cancel it from elsewhere: for the explorer. The descriptor is
// readable from the start, or never, and the system is asked without waiting, so that nothing happens that the explorer
// does not see.
#pragma once

#include "support/explored_task.hpp"

#include <concur/core/cancellation.hpp>
#include <concur/core/executor.hpp>
#include <concur/loop/detail/epoll_poller.hpp>
#include <concur/loop/detail/loop_inbox.hpp>

#include <unistd.h>

namespace explored {

struct descriptor_wait {
  using body = support::test_task<> (*)(descriptor_wait&);  // adds one to `passed` when the wait has ended

  descriptor_wait(int of, body wait) : fd(of), root(here, wait(*this)) {}
  ~descriptor_wait() { ::close(inbox.eventfd()); }  // nobody posts there, so it need not outlive this

  /// On the loop's thread.
  void run() {
    root.start();
    here.run_one();
    if (!root.done()) {
      concur::executor_scope const mine(here);
      poller.look();
    }
    while (!root.done()) here.run_one();
    testing::check(!poller.watching(), "a waiter was left behind");
  }

  int const fd;
  concur::detail::loop_inbox inbox;
  concur::detail::epoll_poller poller{inbox};
  one_slot_executor here;
  counted passed;
  support::root_task<void> root;
};

/// It waits in vain until it is cancelled.
inline void cancelled_in_vain(testing::scenario& s, descriptor_wait& st) {
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] { testing::check(st.root.was_cancelled() && st.passed.get() == 0, "it was not cancelled"); });
}

/// It has something to find, and is cancelled beside that.
inline void cancelled_or_not(testing::scenario& s, descriptor_wait& st) {
  s.thread("loop", [&st] { st.run(); });
  s.thread("canceller", [&st] { st.root.cancel(); });
  s.finally([&st] {
    testing::check(!st.root.failed() && st.root.was_cancelled() == (st.passed.get() == 0),
                   "neither had what it waited for nor was cancelled, or both");
  });
}

}  // namespace explored
