// SPDX-License-Identifier: BSL-1.0
//
// T22: three cooks bake, two customers eat, over one queue: a steady state, until the kitchen closes. Then no cook
// begins another bun, and the customers eat up what is there.
#include <concur/concur.hpp>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

int main(int count, char** words) {
  arguments(count, words, "Three cooks and two customers over one queue, and a clean end on request.");

  constexpr std::size_t room = 5;
  concur::queue<std::string> buns(room);
  std::atomic<int> baked = 0, eaten = 0;
  concur::latch twenty_eaten(20);

  auto const cook = [&](std::string const& name) {
    for (int n = 1;; ++n) {
      concur::this_thread::sleep_for(1s / speed);
      try {
        buns.put(name + "'s bun " + std::to_string(n));  // waits while there are five: Python's queue does it too
        ++baked;
      } catch (concur::closed const&) {
        return say(name, " goes home, and takes the last bun along");
      }
    }
  };
  auto const customer = [&](std::string const& name) {
    for (std::string const& bun : buns) {
      say(name, " eats ", bun);
      if (++eaten <= 20) twenty_eaten.count_down();
      concur::this_thread::sleep_for(1s / speed);
    }
    say(name, " has had enough");
  };

  std::vector<concur::thread> crew;
  for (auto const* name : {"Ann", "Ben", "Cleo"}) crew.emplace_back(cook, name);
  for (auto const* name : {"Dora", "Emil"}) crew.emplace_back(customer, name);

  twenty_eaten.wait();  // Python's version runs until it is killed
  say("the kitchen closes");
  buns.close();
  for (concur::thread& each : crew) each.join();
  say(baked, " baked, ", eaten, " eaten");
  expect(baked == eaten && buns.empty(), "what was baked was eaten, and nothing twice");
}
