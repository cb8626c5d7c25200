// SPDX-License-Identifier: BSL-1.0
//
// C07: tasks of one, two and three seconds, beside each other: their names, done(), their results, and a callback when
// one is done. A task needs somebody who runs it: outside a loop, spawn says so.
#include <concur/concur.hpp>

#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

concur::task<int> nap(int seconds) {
  co_await concur::sleep_for(seconds * 1s / speed);
  co_return 2 * seconds;
}

concur::task<> three() {
  stopwatch watch;
  std::vector<int> finished;
  std::vector<concur::future<int>> naps;
  for (int seconds = 1; seconds <= 3; ++seconds) {
    naps.push_back(concur::spawn(nap(seconds), "nap " + std::to_string(seconds)));
    naps.back().on_done([&finished](concur::outcome<int> const& how) { finished.push_back(how.value()); });
  }
  co_await concur::yield();  // they begin, and wait
  say("done: ", naps[0].done(), ", ", naps[1].done(), ", ", naps[2].done());

  // The names are for whoever asks what hangs: dump_tasks() shows all that the program is doing.
  std::string const tasks = concur::describe_tasks(*concur::event_loop::current());
  say(tasks);
  for (std::string const name : {"nap 1", "nap 2", "nap 3"}) {
    expect(tasks.find('"' + name + '"') != tasks.npos, "every task is listed by its name");
  }

  int sum = 0;
  for (concur::future<int>& each : naps) {
    int const result = co_await each;
    say("result ", result, " after ", watch.seconds(), " s");
    sum += result;
  }
  expect(watch.seconds() >= 3, "they take as long as the longest");
  expect(sum == 12, "the results are 2, 4 and 6");
  expect(finished == std::vector{2, 4, 6}, "each callback was called when its task was done");
}

int main(int count, char** words) {
  arguments(count, words, "Three tasks with names, results and callbacks, and one that nobody would run.");
  concur::run(three());

  std::string refused = "nothing";
  try {
    auto const nobodys = concur::spawn(nap(1));
  } catch (concur::misuse const& error) {
    refused = error.what();
  }
  say("outside a loop: ", refused);
  expect(refused.find("nothing runs it") != refused.npos, "spawn outside a loop is an error that says so");
}
