// SPDX-License-Identifier: BSL-1.0
//
// C09: ten tasks of 0 to 9 seconds, and three ways to wait for them: until all are done, for two and a half seconds,
// until the first is done. A wait cancels nothing: what is pending goes on.
#include <concur/concur.hpp>

#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

using naps = std::vector<concur::future<int>>;

concur::task<int> nap(int seconds, std::vector<int>& ended) {
  co_await concur::sleep_for(seconds * 1s / speed);
  ended.push_back(seconds);
  co_return seconds;
}

naps ten_naps(std::vector<int>& ended) {
  naps all_ten;
  for (int seconds = 0; seconds < 10; ++seconds) all_ten.push_back(concur::spawn(nap(seconds, ended)));
  return all_ten;
}

// A wait gives two lists of pointers to the futures, in their order. Checks and shows them.
void show(char const* how, naps const& all_ten, concur::wait_result<concur::future<int>> const& result,
          std::vector<int> const& ended) {
  std::vector<int> done;
  std::string text;
  for (concur::future<int> const* each : result.done) {
    done.push_back(static_cast<int>(each - all_ten.data()));
    text += ' ' + std::to_string(done.back());
  }
  text += "; pending";
  for (concur::future<int> const* each : result.pending) text += ' ' + std::to_string(each - all_ten.data());
  say(how, ": done", text);
  expect(done == ended && done.size() + result.pending.size() == 10,
         "done are those that have ended, pending the rest");
}

concur::task<> all() {
  stopwatch watch;
  std::vector<int> ended;
  naps all_ten = ten_naps(ended);
  auto const result = co_await concur::wait(all_ten);
  show("all", all_ten, result, ended);
  expect(result.pending.empty() && watch.seconds() >= 9, "it waits for the longest");
}

concur::task<> with_a_limit() {
  stopwatch watch;
  std::vector<int> ended;
  naps all_ten = ten_naps(ended);
  auto const result = co_await concur::wait(all_ten, concur::all_completed, 2.5s / speed);
  show("2.5 s", all_ten, result, ended);
  expect(!result.done.empty() && !result.pending.empty(), "the limit finds some done, and some pending");
  expect(watch.seconds() >= 2.5, "it waits for as long as it was told to");

  for (concur::future<int> const* each : result.pending) each->cancel();
  co_await concur::wait(all_ten);
  say("cancelled, and all have ended");
}

concur::task<> first() {
  std::vector<int> ended;
  naps all_ten = ten_naps(ended);
  auto const result = co_await concur::wait(all_ten, concur::first_completed);
  show("first", all_ten, result, ended);
  expect(!result.done.empty(), "one is done at least");
  expect(result.done.front()->get() == 0, "a result is there at once");
  for (concur::future<int> const* each : result.pending) each->cancel();
  co_await concur::wait(all_ten);  // they use `ended`, which goes
}

int main(int count, char** words) {
  arguments(count, words, "Waits for ten tasks: for all, for two and a half seconds, for the first.");
  concur::run(all());
  concur::run(with_a_limit());
  concur::run(first());
}
