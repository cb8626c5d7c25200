// SPDX-License-Identifier: BSL-1.0
//
// C02: generators. A generator runs up to its next co_yield when the loop over it asks for an element, and not before;
// `co_yield elements_of(g)` hands the asking on to another one: Python's "yield from".
#include <concur/concur.hpp>

#include <ranges>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

concur::generator<int> inner() {
  co_yield 3;
  co_yield 4;
}

concur::generator<int> outer() {
  co_yield 1;
  co_yield concur::elements_of(inner());
  co_yield 2;
}

// One that never ends, for those who stop asking.
concur::generator<int> count(int from) {
  for (;; ++from) co_yield from;
}

int main(int argument_count, char** words) {
  arguments(argument_count, words, "A generator that delegates to another one, and one without an end.");

  std::vector<int> seen;
  for (int const n : outer()) {
    say(n);
    seen.push_back(n);
  }
  expect(seen == std::vector{1, 3, 4, 2}, "the elements of the inner generator come in its place");

  int sum = 0;
  for (int const n : count(1) | std::views::take(100)) sum += n;
  say("1 + … + 100 = ", sum);
  expect(sum == 5050, "a generator is a range like any other");
}
