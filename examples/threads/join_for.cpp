// SPDX-License-Identifier: BSL-1.0
//
// T05: a join that waits for two seconds at most, on a fast thread and on a slow one. In Python one asks is_alive()
// afterwards; here the join itself says whether the thread has ended.
#include <concur/concur.hpp>

#include <stop_token>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "Joins a fast and a slow thread, each for two seconds at most.");

  stopwatch watch;
  concur::thread fast([] { concur::this_thread::sleep_for(1s / speed); });
  bool ended = fast.try_join_for(2s);  // not divided by the speed: it returns when the thread has ended
  say("the fast thread has ended: ", ended, ", after ", watch.seconds(), " s");
  expect(ended && !fast.alive(), "the fast thread ends within the limit");
  expect(watch.seconds() >= 1, "the join has waited for its end");

  stopwatch slow_watch;
  concur::thread slow([](std::stop_token stop) { concur::this_thread::sleep_for(1h, stop); });
  ended = slow.try_join_for(2s / speed);
  say("the slow thread has ended: ", ended, ", after ", slow_watch.seconds(), " s");
  expect(!ended && slow.alive(), "the slow thread does not end within the limit");
  expect(slow_watch.seconds() >= 2, "the join has waited for as long as it was told to");

  slow.request_stop();  // what Python's threads have no word for
  slow.join();
  say("the slow thread was told to stop, and has ended: ", !slow.alive());
}
