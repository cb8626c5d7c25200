// SPDX-License-Identifier: BSL-1.0
//
// C11: four coroutines that say hello, wait for three seconds, and say world. Three seconds in all, on one thread.
#include <concur/concur.hpp>

#include "tutorial.hpp"

using namespace tutorial;

int greeted = 0;

concur::task<> hello_world(int number) {
  say("hello ", number);
  ++greeted;
  co_await concur::sleep_for(3s / speed);
  expect(greeted == 4, "all have said hello while the first one waits");
  say("world ", number);
}

concur::task<> four() { co_await concur::gather(hello_world(1), hello_world(2), hello_world(3), hello_world(4)); }

int main(int count, char** words) {
  arguments(count, words, "Four coroutines that wait for three seconds each, at the same time.");
  stopwatch watch;
  concur::run(four());
  say("took ", watch.seconds(), " s");
  expect(watch.seconds() >= 3, "gather waits for all of them");
}
