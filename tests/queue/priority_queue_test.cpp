// SPDX-License-Identifier: BSL-1.0
//
// What only this queue has: the order. What it shares with the others is tested in queue_test.cpp.
#include <concur/queue/priority_queue.hpp>

#include "../support/catch.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

struct job {
  int urgency;
  int number;
  bool operator<(job const& other) const { return urgency < other.urgency; }
};

template <class Queue>
std::vector<std::pair<int, int>> drained(Queue& q) {
  std::vector<std::pair<int, int>> out;
  while (auto const each = q.try_get()) out.emplace_back(each->urgency, each->number);
  return out;
}

}  // namespace

TEST_CASE("priority_queue: the greatest first, and Python's order with greater", "[priority_queue]") {
  concur::priority_queue<int> greatest(concur::unbounded);
  concur::priority_queue<int, std::greater<>> smallest(16);
  for (int value : {3, 1, 4, 1, 5, 9, 2, 6}) {
    greatest.put(value);
    smallest.put(value);
  }
  CHECK(greatest.get_many(99) == std::vector<int>{9, 6, 5, 4, 3, 2, 1, 1});
  CHECK(smallest.get_many(99) == std::vector<int>{1, 1, 2, 3, 4, 5, 6, 9});
}

TEST_CASE("priority_queue: equal ones come out in the order in which they came", "[priority_queue]") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    concur::priority_queue<job> q(concur::unbounded);
    std::vector<std::pair<int, int>> model;
    auto const take = [&] {
      auto const first =
          std::max_element(model.begin(), model.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
      auto const got = q.get();
      REQUIRE(std::pair(got.urgency, got.number) == *first);
      model.erase(first);
    };
    for (int number = 0; number < 60; ++number) {
      int const urgency = int(random() % 4);
      q.put(job{urgency, number});
      model.emplace_back(urgency, number);
      if (random() % 3 == 0) take();
    }
    while (!model.empty()) take();
    REQUIRE(q.empty());
  }
}

TEST_CASE("priority_queue: a comparison of the user's own, with something in it", "[priority_queue]") {
  int asked = 0;
  auto const by_length = [&asked](std::string const& a, std::string const& b) {
    ++asked;
    return a.size() < b.size();
  };
  concur::priority_queue<std::string, decltype(by_length)> q(8, by_length);
  for (auto const* word : {"bb", "a", "dddd", "ccc"}) q.put(word);
  CHECK(q.get() == "dddd");
  CHECK(q.get() == "ccc");
  CHECK(asked > 0);
}

TEST_CASE("priority_queue: a comparison that throws changes nothing", "[priority_queue]") {
  struct failed {};
  int throws_in = 0;
  auto const compare = [&throws_in](int a, int b) {
    if (throws_in > 0 && --throws_in == 0) throw failed();
    return a < b;
  };
  concur::priority_queue<int, decltype(compare)> q(concur::unbounded, compare);
  int failures = 0;
  for (int value = 0; value < 40; ++value) {
    for (int step = 1;; ++step) {
      throws_in = step;
      try {
        q.put((value * 17) % 40);
        break;
      } catch (failed const&) {
        ++failures;
        REQUIRE(q.size() == std::size_t(value));
      }
    }
    throws_in = 0;
  }
  for (int value = 39; value >= 0; --value) {
    for (int step = 1;; ++step) {
      throws_in = step;
      try {
        auto const got = q.get();
        REQUIRE(got == value);
        break;
      } catch (failed const&) {
        ++failures;
        REQUIRE(q.size() == std::size_t(value) + 1);
      }
    }
    throws_in = 0;
  }
  CHECK(failures > 40);
}

TEST_CASE("priority_queue: elements that only move, by what they point to", "[priority_queue]") {
  auto const pointed = [](std::unique_ptr<int> const& a, std::unique_ptr<int> const& b) { return *a < *b; };
  concur::priority_queue<std::unique_ptr<int>, decltype(pointed)> q(concur::unbounded);
  for (int value : {2, 3, 1}) q.put(std::make_unique<int>(value));
  CHECK(*q.get() == 3);
  CHECK(*q.get() == 2);
  CHECK(*q.get() == 1);
}
