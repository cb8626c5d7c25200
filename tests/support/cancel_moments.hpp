// SPDX-License-Identifier: BSL-1.0
//
// A task that waits several times, cancelled at every moment: before it begins, while it waits, between a wake and what
// comes after it, and at its end.
//
//     support::at_every_cancel(7, [](support::cancel_moment const& moment) {
//       queue<int> q(4);
//       support::queue_executor here;
//       auto const root = spawn(here, gets_three(q));
//       moment.strike(here, *root, [&] { q.put(1); });
//       CHECK(…);                                       // it has ended
//     });
#pragma once

#include "catch.hpp"
#include "test_executor.hpp"

namespace support::inline CONCUR_ABI {

class cancel_moment {
 public:
  cancel_moment(int steps, bool late_wake) : steps_(steps), late_wake_(late_wake) {}

  /// Whether the task has run before the cancel.
  bool begun() const { return steps_ != 0; }

  /// Lets the task run, then `wake()`, which gives it what it waits for, and so on, for so many steps in all. Then
  /// cancels it, perhaps wakes it once more, and runs it to its end.
  template <class Root, class Wake>
  void strike(queue_executor& here, Root& root, Wake wake) const {
    for (int step = 0; step < steps_; ++step) {
      if (step % 2 == 0) {
        here.run_all();
      } else {
        wake();
      }
    }
    root.cancel();
    if (late_wake_) wake();
    here.run_all();
    REQUIRE(root.done());
  }

 private:
  int steps_;
  bool late_wake_;
};

/// Calls `test(cancel_moment)` for each of them, up to so many steps.
template <class Test>
void at_every_cancel(int most_steps, Test test) {
  for (int steps = 0; steps <= most_steps; ++steps) {
    for (bool const late_wake : {false, true}) {
      INFO("cancelled after " << steps << " steps, woken once more: " << late_wake);
      test(cancel_moment(steps, late_wake));
    }
  }
}

}  // namespace support::inline CONCUR_ABI
