// SPDX-License-Identifier: BSL-1.0
//
// T15: ten threads wait on a condition, and the user says how many of them may go on, again and again.
#include <concur/concur.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

// The numbers from the command line, else one from each line of the standard input, else, if that is empty, a few.
class numbers {
 public:
  explicit numbers(std::vector<std::string> given) : script_(std::move(given)), interactive_(script_.empty()) {}

  bool next(std::string& word) {
    if (interactive_ && std::getline(std::cin, word)) return asked_ = true;
    if (interactive_ && !asked_) {
      say("There is no input, so: 1, 3, 4.");
      script_ = {"1", "3", "4"};
    }
    interactive_ = false;
    if (at_ == script_.size()) return false;
    word = script_[at_++];
    return true;
  }

 private:
  std::vector<std::string> script_;
  std::size_t at_ = 0;
  bool interactive_;
  bool asked_ = false;
};

int main(int count, char** words) {
  numbers input(arguments(count, words, "Ten threads wait; N of them are let go at a time.", "[N…]"));

  constexpr int crew_size = 10;
  concur::mutex lock;  // guards the three numbers
  int waiting = 0, gone = 0, stopped = 0;
  concur::condition go, changed;

  std::vector<concur::thread> crew;
  for (int number = 1; number <= crew_size; ++number) {
    crew.emplace_back([&, number](std::stop_token stop) {
      std::unique_lock guard(lock);
      ++waiting;
      changed.notify_one();
      bool const notified = go.wait(guard, stop);  // it wakes because of a notify or of the stop, never just so
      if (notified) say("thread ", number, " goes on");
      ++(notified ? gone : stopped);
      changed.notify_one();
    });
  }

  {
    std::unique_lock guard(lock);
    changed.wait(guard, [&] { return waiting == crew_size; });
  }
  int released = 0;
  std::string word;
  while (released < crew_size && (say("How many may go on?"), input.next(word))) {
    int n = 0;
    char const* const end = word.data() + word.size();
    auto const parsed = std::from_chars(word.data(), end, n);
    if (parsed.ec != std::errc() || parsed.ptr != end || n < 0) {
      say("'", word, "' is no number of threads.");
      continue;
    }
    n = std::min(n, crew_size - released);
    std::unique_lock guard(lock);
    go.notify(static_cast<std::size_t>(n));
    released += n;
    changed.wait(guard, [&] { return gone >= released; });
    expect(gone == released, "exactly n have gone on");
    say(n, " went on, ", crew_size - released, " still wait");
  }

  say("That was all. ", crew_size - released, " are told to stop.");
  crew.clear();  // each is told to, and joined
  expect(gone == released && stopped == crew_size - released, "nobody has gone on but those that were let go");
}
