// SPDX-License-Identifier: BSL-1.0
//
// T08: real work in threads: 1 is added to each number of a list, 100 to each of another, ten thousand times over.
// Python's threads take turns at this (the GIL) and need as long as one thread; here each has a processor to itself, if
// the machine has two to spare.
#include <concur/concur.hpp>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "../tutorial.hpp"

using namespace tutorial;

void add_to_each(std::vector<int>& numbers, int amount, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (int& number : numbers) number += amount;
  }
}

int main(int count, char** words) {
  auto const operands = arguments(count, words, "Adds to each of two lists, serially and in two threads.", "[ROUNDS]");
  int const rounds = operands.empty() ? 10'000 : std::atoi(operands[0].c_str());
  expect(rounds > 0, "ROUNDS is a number above zero");

  std::vector<int> ones(100'000, 0);
  std::vector<int> hundreds(100'000, 0);

  stopwatch serial;
  add_to_each(ones, 1, rounds);
  add_to_each(hundreds, 100, rounds);
  double const serial_time = serial.seconds() / speed;  // work takes its time at any speed

  stopwatch threaded;
  {
    concur::thread first(add_to_each, std::ref(ones), 1, rounds);
    concur::thread second(add_to_each, std::ref(hundreds), 100, rounds);
  }  // joined here
  double const threaded_time = threaded.seconds() / speed;

  auto const all_are = [](std::vector<int> const& numbers, int wanted) {
    return std::all_of(numbers.begin(), numbers.end(), [=](int number) { return number == wanted; });
  };
  expect(all_are(ones, 2 * rounds), "1 was added to each number, in each round, serially and in a thread");
  expect(all_are(hundreds, 200 * rounds), "100 was added to each number of the other list");

  say("two lists of ", ones.size(), " numbers, ", rounds, " rounds, ", concur::cpu_count(), " CPUs for this process");
  say("one after the other: ", 1000 * serial_time, " ms");
  say("in two threads:      ", 1000 * threaded_time, " ms, ", serial_time / threaded_time, " times as fast");
}
