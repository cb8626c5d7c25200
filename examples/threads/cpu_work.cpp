// SPDX-License-Identifier: BSL-1.0
//
// T08: real work in threads: 1 is added to each number of a list, 100 to each of another, ten thousand times over.
// Python's threads take turns at this (the GIL) and need as long as one thread; here each has a processor to itself, if
// the machine has two to spare. A pool cuts the lists into as many parts as there are processors.
#include <concur/concur.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <span>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

void add_to_each(std::span<int> numbers, int amount, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (int& number : numbers) number += amount;
  }
}

int main(int count, char** words) {
  auto const operands =
      arguments(count, words, "Adds to each of two lists: serially, in two threads, and on a pool.", "[ROUNDS]");
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
    concur::thread first(add_to_each, std::span(ones), 1, rounds);
    concur::thread second(add_to_each, std::span(hundreds), 100, rounds);
  }  // joined here
  double const threaded_time = threaded.seconds() / speed;

  concur::thread_pool pool;  // a worker for each processor
  auto const part_of = [parts = pool.size()](std::vector<int>& list, std::size_t part) {
    std::size_t const begin = list.size() * part / parts;
    std::size_t const end = list.size() * (part + 1) / parts;
    return std::span(list).subspan(begin, end - begin);
  };
  auto const add_to_part = [&](std::size_t part) {
    add_to_each(part_of(ones, part), 1, rounds);
    add_to_each(part_of(hundreds, part), 100, rounds);
  };
  stopwatch pooled;
  concur::parallel_for(pool, std::size_t(0), pool.size(), add_to_part, concur::grain(1));  // any part for any worker
  double const pooled_time = pooled.seconds() / speed;

  auto const all_are = [](std::vector<int> const& numbers, int wanted) {
    return std::all_of(numbers.begin(), numbers.end(), [=](int number) { return number == wanted; });
  };
  expect(all_are(ones, 3 * rounds), "1 was added to each number, in each round, in each of the three ways");
  expect(all_are(hundreds, 300 * rounds), "100 was added to each number of the other list");

  say("two lists of ", ones.size(), " numbers, ", rounds, " rounds, ", concur::cpu_count(), " CPUs for this process");
  say("one after the other: ", 1000 * serial_time, " ms");
  say("in two threads:      ", 1000 * threaded_time, " ms, ", serial_time / threaded_time, " times as fast");
  say("on a pool of ", pool.size(), ":      ", 1000 * pooled_time, " ms, ", serial_time / pooled_time,
      " times as fast");
  // Less work than that may be over before the second thread has begun.
  expect(rounds < 10'000 || concur::cpu_count() < 2 || (threaded_time < serial_time && pooled_time < serial_time),
         "two processors do it faster than one");
}
