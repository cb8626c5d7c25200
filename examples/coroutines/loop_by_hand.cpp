// SPDX-License-Identifier: BSL-1.0
//
// C04: the event loop by hand: make it, run a task on it until that has ended, run another one, close it. Then the
// short form, which is what most programs want.
#include <concur/concur.hpp>

#include <string>

#include "tutorial.hpp"

using namespace tutorial;

concur::task<int> greet(std::string whom) {
  say("hello, ", whom);
  co_await concur::sleep_for(1s / speed);
  say("bye, ", whom);
  co_return static_cast<int>(whom.size());
}

int main(int count, char** words) {
  arguments(count, words, "An event loop that is made, run twice and closed; and run(), which does all of that.");

  concur::event_loop loop;
  int const ann = loop.run(greet("Ann"));  // Python's run_until_complete
  int const john = loop.run(greet("John"));
  loop.close();  // the destructor would do it, too
  expect(ann == 3 && john == 4, "run gives what the task returns");

  std::string refused = "nothing";
  try {
    loop.run(greet("Zoe"));
  } catch (concur::misuse const& error) {
    refused = error.what();
  }
  say("once more: ", refused);
  expect(refused.find("closed") != refused.npos, "a loop that was closed runs nothing any more");

  int const both = concur::run(greet("Ann")) + concur::run(greet("John"));
  expect(both == 7, "the short form gives the same");
}
