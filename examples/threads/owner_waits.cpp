// SPDX-License-Identifier: BSL-1.0
//
// T03: the main function prints 123 and is through, while its threads need 3 and 9 seconds. The process waits for them.
#include <concur/concur.hpp>

#include <functional>

#include "tutorial.hpp"

using namespace tutorial;

void work(std::chrono::seconds length, bool& done) {
  concur::this_thread::sleep_for(length / speed);
  say(length.count());
  done = true;
}

int main(int count, char** words) {
  arguments(count, words, "Prints 123 at once, 3 after three seconds, 9 after nine, and ends then.");

  stopwatch watch;
  bool three_done = false;
  bool nine_done = false;
  {
    concur::thread three(work, 3s, std::ref(three_done));
    concur::thread nine(work, 9s, std::ref(nine_done));
    say(123);
  }  // Python's interpreter waits for threads when it exits. Here their owner does, so they cannot outlive what they
     // use.
  expect(three_done && nine_done, "the threads have come to their ends");
  expect(watch.seconds() >= 9, "the slower one took nine seconds");
}
