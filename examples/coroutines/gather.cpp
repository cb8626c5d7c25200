// SPDX-License-Identifier: BSL-1.0
//
// C08: gather runs coroutines beside each other and gives their results in the order of its arguments, whichever
// finishes first. Results of different types come as a tuple, those of a vector as a vector.
#include <concur/concur.hpp>

#include <string>
#include <utility>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

concur::task<std::string> fetch(std::string what, int seconds) {
  co_await concur::sleep_for(seconds * 1s / speed);
  say(what, " is there");
  co_return what;
}

concur::task<int> count(std::string what) {
  co_await concur::sleep_for(2s / speed);
  say(what, " are counted");
  co_return static_cast<int>(what.size());
}

concur::task<> gathers() {
  stopwatch watch;
  auto const [page, letters, picture] =
      co_await concur::gather(fetch("page", 3), count("letters"), fetch("picture", 1));
  say("gathered ", page, ", ", letters, ", ", picture, " after ", watch.seconds(), " s");
  expect(page == "page" && letters == 7 && picture == "picture", "results in the order of the arguments");
  expect(watch.seconds() >= 3, "gather waits for all");

  std::vector<concur::task<std::string>> pages;
  for (int number = 3; number >= 1; --number) pages.push_back(fetch("page " + std::to_string(number), number));
  std::vector<std::string> const all = co_await concur::gather(std::move(pages));
  say("gathered ", all[0], ", ", all[1], ", ", all[2]);
  expect(all == std::vector<std::string>{"page 3", "page 2", "page 1"}, "results in the order of the vector");
}

int main(int count, char** words) {
  arguments(count, words, "Gathers three coroutines that do not finish in their order, and a vector of them.");
  concur::run(gathers());
}
