// SPDX-License-Identifier: BSL-1.0
//
// C03: two coroutines on one thread. Where one waits for two seconds the other one runs, so both take two seconds.
#include <concur/concur.hpp>

#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

std::vector<int> shown;

void show(int n) {
  say(n);
  shown.push_back(n);  // no lock: all coroutines of a loop run on its thread
}

concur::task<> first() {
  show(1);
  co_await concur::sleep_for(2s / speed);  // lets the others run; this_thread::sleep_for would stop all of them
  show(2);
}

concur::task<> second() {
  show(3);
  co_await concur::sleep_for(2s / speed);
  show(4);
}

concur::task<> both() {
  auto a = concur::spawn(first());  // starts it as a task of its own; Python's create_task and ensure_future
  auto b = concur::spawn(second());
  co_await a;
  co_await b;
}

int main(int count, char** words) {
  arguments(count, words, "Two coroutines that wait at the same time.");
  stopwatch watch;
  concur::run(both());
  say("took ", watch.seconds(), " s");
  expect(shown == std::vector{1, 3, 2, 4}, "the second one runs while the first one waits");
  expect(watch.seconds() >= 2, "a sleep is not shorter than it was told to be");
}
