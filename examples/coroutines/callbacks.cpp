// SPDX-License-Identifier: BSL-1.0
//
// C10: plain functions on the loop: as soon as possible, later, at a moment, and called from another thread. Each is
// given its arguments with the call.
#include <concur/concur.hpp>

#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

std::vector<int> shown;

void show(int n, std::string const& how) {
  say(n, " ", how);
  shown.push_back(n);
}

int main(int count, char** words) {
  arguments(count, words, "Functions that a loop calls: soon, later, at a moment, and for another thread.");
  auto const second = std::chrono::duration_cast<std::chrono::nanoseconds>(1s / speed);

  concur::event_loop loop;
  concur::thread other;
  auto const start = loop.time();

  loop.call_later(2 * second, show, 5, "after two seconds");
  loop.call_at(start + second, show, 4, "at a moment one second after the start");
  loop.call_soon(show, 1, "soon");
  loop.call_soon(show, 2, "soon, in the order of the calls");
  loop.call_soon([&loop] { loop.call_soon(show, 3, "soon, from a callback"); });
  loop.call_later(3 * second, [&] {
    // From other threads: post, Python's call_soon_threadsafe. The loop's other members are for its own thread.
    other = concur::thread([&loop] {
      loop.post(show, 6, "from another thread");
      loop.post(show, 7, "from another thread, in order");
      loop.stop();  // after what this thread has posted
    });
  });

  auto const never = [] { expect(false, "what was cancelled is not called"); };
  auto handle = loop.call_later(2 * second, never);
  expect(handle.cancel() && !handle.pending(), "a call that has not been made can be taken back");

  stopwatch watch;
  loop.run_forever();
  say("stopped after ", watch.seconds(), " s");
  expect(shown == std::vector{1, 2, 3, 4, 5, 6, 7}, "all were called, in order");
}
