// SPDX-License-Identifier: BSL-1.0
//
// T04: the same with daemon threads. The process ends with its main function, and 3 and 9 are never printed.
#include <concur/concur.hpp>

#include "tutorial.hpp"

using namespace tutorial;

void work(std::chrono::seconds length) {
  concur::this_thread::sleep_for(length);  // not divided by the speed: nobody waits for it
  say(length.count());
  expect(false, "the process ends without waiting for daemon threads");
}

int main(int count, char** words) {
  arguments(count, words, "Prints 123 and ends at once, although it has threads that would print more.");

  // The destructors leave a daemon alone. It must not use anything that ends before the process does.
  concur::thread three(concur::thread_options().daemon(), work, 3s);
  concur::thread nine(concur::thread_options().daemon(), work, 9s);
  expect(three.daemon() && nine.daemon(), "both are daemons");
  say(123);
}
