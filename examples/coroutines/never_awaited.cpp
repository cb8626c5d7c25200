// SPDX-License-Identifier: BSL-1.0
//
// C05: a coroutine that is never awaited never runs. The compiler warns of `greet();`, because a task is [[nodiscard]].
// This program gets past that warning by giving the task a name. A checked build reports it all the same, when the task
// is destroyed.
#define CONCUR_CHECKED 1  // before the first header; Debug builds with CMake have it anyway
#include <concur/concur.hpp>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

int greetings = 0;

concur::task<> greet() {
  say("hello");
  ++greetings;
  co_return;
}

concur::task<> remembers() {
  auto greeting = greet();  // nothing runs yet
  expect(greetings == 0, "a coroutine begins when it is awaited");
  co_await greet();
  co_await std::move(greeting);
}

concur::task<> forgets() {
  auto const greeting = greet();
  say("the greeting was made, and goes");
  co_return;
}

// The default handler prints the report and aborts the program. This one takes it for what was to be shown.
void reported(concur::misuse_report const& report) {
  say("reported: ", report.sentence);
  expect(std::string_view(report.sentence).find("is a co_await missing?") != std::string_view::npos,
         "the report says what is wrong");
  expect(greetings == 2, "what nobody awaits does not run");
  std::_Exit(EXIT_SUCCESS);  // nothing goes on after misuse
}

int main(int count, char** words) {
  arguments(count, words, "Forgets a co_await, which is reported.");
  concur::set_misuse_handler(reported);
  concur::run(remembers());
  concur::run(forgets());
  expect(false, "a task that nobody awaited is reported");
}
