// SPDX-License-Identifier: BSL-1.0
//
// What the tutorial programs about coroutines print. On one loop nearly all of it has one order.
#include "example.hpp"

using support::as_set;
using support::lines;
using support::output_of;
using support::position;
using support::set_of_lines;

namespace {

// Lines [from, to).
lines part(lines const& all, std::size_t from, std::size_t to) {
  REQUIRE(from <= to);
  REQUIRE(to <= all.size());
  return {all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to)};
}

}  // namespace

TEST_CASE("coroutines/generators: C02, a generator that delegates, and one without an end") {
  CHECK(output_of("coroutines/generators") == lines{"1", "3", "4", "2", "1 + … + 100 = 5050"});
}

TEST_CASE("coroutines/two_coroutines: C03, one runs while the other one waits") {
  auto const printed = output_of("coroutines/two_coroutines");
  REQUIRE(printed.size() == 5);
  CHECK(part(printed, 0, 4) == lines{"1", "3", "2", "4"});
  CHECK(printed[4].starts_with("took "));
}

TEST_CASE("coroutines/loop_by_hand: C04, the same output from a loop made by hand and from run") {
  auto const printed = output_of("coroutines/loop_by_hand");
  REQUIRE(printed.size() == 9);
  lines const greetings{"hello, Ann", "bye, Ann", "hello, John", "bye, John"};
  CHECK(part(printed, 0, 4) == greetings);
  CHECK(printed[4] == "once more: an event loop was used after it was closed");
  CHECK(part(printed, 5, 9) == greetings);
}

TEST_CASE("coroutines/never_awaited: C05, a coroutine that nobody awaits does not run, and is reported") {
  CHECK(output_of("coroutines/never_awaited") ==
        lines{"hello", "hello", "the greeting was made, and goes",
              "reported: a task was destroyed without having been awaited or spawned: is a co_await missing?"});
}

TEST_CASE("coroutines/chain: C06, the second coroutine gets the result of the first") {
  CHECK(output_of("coroutines/chain") ==
        lines{"result1 begins", "result2 begins, with result1", "(result1, result2 made of result1)"});
}

TEST_CASE("coroutines/task_results: C07, names, results and callbacks, and no task without a loop") {
  auto const printed = output_of("coroutines/task_results");
  CHECK(printed.front() == "done: false, false, false");
  std::size_t before = 0;
  for (std::string const seconds : {"1", "2", "3"}) {
    auto const named = position(printed, "task \"nap " + seconds + "\" spawned at task_results.cpp:");
    auto const result = position(printed, "result " + std::to_string(2 * std::stoi(seconds)) + " after ");
    CHECK(before < named);
    CHECK(named < result);
    CHECK(result < printed.size());
    before = named;
  }
  CHECK(printed.back() ==
        "outside a loop: a task was spawned where nothing runs it: give an executor, or call it inside run()");
}

TEST_CASE("coroutines/gather: C08, results in the order of the arguments") {
  auto const printed = output_of("coroutines/gather");
  REQUIRE(printed.size() == 8);
  CHECK(as_set(printed, 0, 3) == set_of_lines{"picture is there", "letters are counted", "page is there"});
  CHECK(printed[3].starts_with("gathered page, 7, picture after "));
  CHECK(as_set(printed, 4, 7) == set_of_lines{"page 1 is there", "page 2 is there", "page 3 is there"});
  CHECK(printed[7] == "gathered page 3, page 2, page 1");
}

TEST_CASE("coroutines/wait_for_ten: C09, for all, for so long, for the first") {
  // Slower than the others: the program insists that the limit comes before the end of the longest.
  auto const printed = output_of("coroutines/wait_for_ten", {"--speed", "15"});
  REQUIRE(printed.size() == 4);
  CHECK(printed[0] == "all: done 0 1 2 3 4 5 6 7 8 9; pending");
  CHECK(printed[1].starts_with("2.5 s: done 0"));
  CHECK(printed[1].ends_with(" 9"));
  CHECK(printed[2] == "cancelled, and all have ended");
  CHECK(printed[3].starts_with("first: done 0"));
}

TEST_CASE("coroutines/callbacks: C10, soon, later, at a moment, and from another thread, in order") {
  auto const printed = output_of("coroutines/callbacks");
  REQUIRE(printed.size() == 8);
  CHECK(part(printed, 0, 7) == lines{"1 soon", "2 soon, in the order of the calls", "3 soon, from a callback",
                                     "4 at a moment one second after the start", "5 after two seconds",
                                     "6 from another thread", "7 from another thread, in order"});
  CHECK(printed[7].starts_with("stopped after "));
}

TEST_CASE("coroutines/hello_world: C11, all say hello before the first says world") {
  auto const printed = output_of("coroutines/hello_world");
  REQUIRE(printed.size() == 9);
  CHECK(part(printed, 0, 8) ==
        lines{"hello 1", "hello 2", "hello 3", "hello 4", "world 1", "world 2", "world 3", "world 4"});
  CHECK(printed[8].starts_with("took "));
}

TEST_CASE("coroutines/future_by_hand: C12, a future that is completed, and who waits for one that is not") {
  auto const printed = output_of("coroutines/future_by_hand");
  REQUIRE(printed.size() > 2);
  CHECK(printed[0].starts_with("666 after "));
  CHECK(printed[1].starts_with("nothing is left that could wake the event loop"));
  CHECK(position(printed, "task \"reader\" spawned at future_by_hand.cpp:") < printed.size());
}

TEST_CASE("coroutines/blocking_work: C13, pools block, and the loop turns meanwhile") {
  // Slower than the others: the loop's thread must get the processor once while the job sleeps.
  auto const printed = output_of("coroutines/blocking_work", {"--speed", "10"});
  REQUIRE(printed.size() == 3);
  CHECK(printed[0].starts_with("the default pool has run it on default-"));
  CHECK(printed[0].ends_with(", and the loop has turned meanwhile"));
  CHECK(printed[1].starts_with("a pool of its own has run it on blocking-"));
  CHECK(printed[1].ends_with(", and the loop has turned meanwhile"));
  CHECK(printed[2].starts_with("two at once: true, after "));
}

TEST_CASE("coroutines/async_iterator: C15, a reader gives 1 to 99") {
  lines expected;
  for (int i = 1; i < 100; ++i) expected.push_back(std::to_string(i));
  CHECK(output_of("coroutines/async_iterator") == expected);
}

TEST_CASE("coroutines/with: C16, closed after a result, after an error and at a time limit") {
  CHECK(output_of("coroutines/with") == lines{"the first is open", "the first answers 144", "the first is closed",
                                              "the second is open", "the second is closed", "error: no such number",
                                              "the third is open", "the third is closed", "in time: false"});
}

TEST_CASE("coroutines/faster_loop: C17, the same output on each back end") {
  auto const printed = output_of("coroutines/faster_loop", {"50"});
  REQUIRE(printed.size() == 4);
  CHECK(printed[0] == "1000 of 1000 answers are right");
  CHECK(printed[1].starts_with("-- epoll: "));
  CHECK(printed[2] == printed[0]);
  CHECK((printed[3].starts_with("-- epoll: ") || printed[3].starts_with("-- io_uring: ")));
  for (auto const& figure : {printed[1], printed[3]}) CHECK(figure.ends_with(" requests per second"));
}
