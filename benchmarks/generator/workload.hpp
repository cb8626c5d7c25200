// SPDX-License-Identifier: BSL-1.0
//
// Sums the numbers that a producer gives one at a time: 0, 1, 2 and so on, where giving is all there is to pay for; a
// walk of random numbers, with a little work for each; and a binary tree, walked in order by recursion. Time of one
// number. The plain producers are objects whose `next` is not inlined; that for the tree keeps its path in an array.
#pragma once

#include "../support/cases.hpp"

#include <cstdint>
#include <memory>
#include <utility>

inline constexpr std::uint64_t numbers_in_a_run = 10'000;

/// The next number of Marsaglia's xorshift generator.
inline std::uint64_t step(std::uint64_t number) {
  number ^= number << 13;
  number ^= number >> 7;
  return number ^ number << 17;
}

/// `sum` adds up the `n` numbers that follow 1.
inline void sum_of_random(benchmark::State& state, auto sum) {
  std::uint64_t n = numbers_in_a_run;
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0, number = 1; i != n; ++i) expected += number = step(number);
  bool right = true;
  while (state.KeepRunningBatch(numbers_in_a_run)) {
    benchmark::DoNotOptimize(n);
    right &= sum(n) == expected;
  }
  if (!right) state.SkipWithError("a wrong sum");
}

/// `sum` adds up the numbers from 0 to `n` - 1.
inline void sum_of_sequence(benchmark::State& state, auto sum) {
  std::uint64_t n = numbers_in_a_run;
  bool right = true;
  while (state.KeepRunningBatch(numbers_in_a_run)) {
    benchmark::DoNotOptimize(n);
    right &= sum(n) == numbers_in_a_run * (numbers_in_a_run - 1) / 2;
  }
  if (!right) state.SkipWithError("a wrong sum");
}

struct node {
  std::unique_ptr<node> left;
  std::unique_ptr<node> right;
  std::uint64_t number = 0;
};

inline constexpr int tree_depth = 13;
inline constexpr std::uint64_t numbers_in_tree = (1u << tree_depth) - 1;

/// Numbers its nodes from 1 on, in order.
inline std::unique_ptr<node> make_tree(int depth, std::uint64_t& next) {
  if (depth == 0) return nullptr;
  auto made = std::make_unique<node>();
  made->left = make_tree(depth - 1, next);
  made->number = next++;
  made->right = make_tree(depth - 1, next);
  return made;
}

/// `sum` adds up the numbers in the tree.
inline void sum_of_tree(benchmark::State& state, auto sum) {
  std::uint64_t next = 1;
  auto const root = make_tree(tree_depth, next);
  bool right = true;
  while (state.KeepRunningBatch(numbers_in_tree)) {
    right &= sum(*root) == numbers_in_tree * (numbers_in_tree + 1) / 2;
  }
  if (!right) state.SkipWithError("a wrong sum");
}

inline bench::cases generators_of(char const* library, auto sequence, auto random, auto tree) {
  return {
      {"generator/sequence", library, [=](benchmark::State& state) { sum_of_sequence(state, sequence); }},
      {"generator/random", library, [=](benchmark::State& state) { sum_of_random(state, random); }},
      {"generator/tree", library, [=](benchmark::State& state) { sum_of_tree(state, tree); }},
  };
}
