// SPDX-License-Identifier: BSL-1.0
//
// T02: a thread with an argument. Once its constructor has returned it is ready to run, which does not mean that it
// runs: whether 11 or 123 comes first is up to the operating system.
#include <concur/concur.hpp>

#include <functional>

#include "tutorial.hpp"

using namespace tutorial;

void print(int number, bool& printed) {
  say(number);
  printed = true;
}

int main(int count, char** words) {
  arguments(count, words, "A thread prints 11, the main thread prints 123.");

  bool printed = false;
  concur::thread thread(print, 11, std::ref(printed));  // arguments are copied; a reference is asked for by std::ref
  say(123);
  thread.join();
  expect(printed, "the thread has printed its argument when it was joined");
}
