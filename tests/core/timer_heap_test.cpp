// SPDX-License-Identifier: BSL-1.0
#include <concur/core/timer_heap.hpp>

#include "../support/catch.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using concur::timer_heap;
using concur::timer_node;
using time_point = timer_heap::time_point;

static_assert(sizeof(timer_node) == 8);

namespace {

constexpr time_point start{1000s};

std::vector<std::unique_ptr<timer_node>> make_nodes(std::size_t count) {
  std::vector<std::unique_ptr<timer_node>> nodes;
  while (nodes.size() < count) nodes.push_back(std::make_unique<timer_node>());
  return nodes;
}

}  // namespace

TEST_CASE("an empty heap has nothing due, ever", "[timer_heap]") {
  timer_heap heap;
  CHECK(heap.empty());
  CHECK(heap.next_deadline() == concur::os::never);
  CHECK(heap.pop_due(time_point::max()) == nullptr);
}

TEST_CASE("a timer is due at its deadline and not before", "[timer_heap]") {
  timer_heap heap;
  timer_node node;
  heap.add(node, start);
  CHECK(node.is_armed());
  CHECK(heap.next_deadline() == start);
  CHECK(heap.pop_due(start - 1ns) == nullptr);
  CHECK(heap.pop_due(start) == &node);
  CHECK_FALSE(node.is_armed());
  CHECK(heap.empty());
}

TEST_CASE("the extremes of the clock are deadlines like any other", "[timer_heap]") {
  timer_heap heap;
  timer_node first, last;
  heap.add(last, time_point::max());
  heap.add(first, time_point::min());
  CHECK(heap.next_deadline() == time_point::min());
  CHECK(heap.pop_due(time_point::min()) == &first);
  CHECK(heap.pop_due(time_point::max() - 1ns) == nullptr);
  CHECK(heap.pop_due(time_point::max()) == &last);
}

TEST_CASE("equal deadlines fire in the order of arming, whatever is removed between them", "[timer_heap]") {
  timer_heap heap;
  auto const nodes = make_nodes(300);
  for (auto const& node : nodes) heap.add(*node, start);
  for (std::size_t n = 0; n < nodes.size(); n += 3) heap.remove(*nodes[n]);
  heap.add(*nodes[0], start);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (n % 3 != 0) REQUIRE(heap.pop_due(start) == nodes[n].get());
  }
  CHECK(heap.pop_due(start) == nodes[0].get());
}

TEST_CASE("random operations agree with an ordered multimap", "[timer_heap]") {
  std::mt19937 random(GENERATE(1u, 2u, 3u));
  timer_heap heap;
  std::multimap<time_point, timer_node*> model;  // keeps equal keys in the order of insertion
  auto const nodes = make_nodes(200);
  auto const random_time = [&random]() -> time_point {
    switch (random() % 16) {
      case 0: return time_point::max();
      case 1: return time_point::min();
      default: return start + std::chrono::milliseconds(random() % 64);
    }
  };
  for (int round = 0; round < 20'000; ++round) {
    timer_node& node = *nodes[random() % nodes.size()];
    if (random() % 8 == 0) {
      time_point const now = random_time();
      timer_node* const due = heap.pop_due(now);
      bool const expected = !model.empty() && model.begin()->first <= now;
      REQUIRE((due != nullptr) == expected);
      if (expected) {
        REQUIRE(due == model.begin()->second);
        model.erase(model.begin());
      }
    } else if (node.is_armed()) {
      heap.remove(node);
      std::erase_if(model, [&node](auto const& each) { return each.second == &node; });
    } else {
      time_point const deadline = random_time();
      heap.add(node, deadline);
      model.emplace(deadline, &node);
    }
    if (heap.size() != model.size()) FAIL("size differs in round " << round);
    if (heap.next_deadline() != (model.empty() ? concur::os::never : model.begin()->first)) FAIL("round " << round);
  }
  for (auto const& [deadline, node] : model) REQUIRE(heap.pop_due(deadline) == node);
  CHECK(heap.empty());
}

TEST_CASE("checked builds report a timer armed twice, or disarmed where it is not armed", "[timer_heap]") {
  if constexpr (CONCUR_CHECKED) {
    auto* const before = concur::set_misuse_handler([](concur::misuse_report const& report) { throw report.line; });
    timer_heap heap, other;
    timer_node node, more;
    heap.add(node, start);
    other.add(more, start);
    CHECK_THROWS_AS(heap.add(node, start), unsigned);
    CHECK_THROWS_AS(other.remove(node), unsigned);
    heap.remove(node);
    other.remove(more);
    CHECK_THROWS_AS(heap.remove(node), unsigned);
    concur::set_misuse_handler(before);
  }
}
