// SPDX-License-Identifier: BSL-1.0
#include <concur/core/timer_heap.hpp>

#include "../support/catch.hpp"
#include "../support/test_executor.hpp"

#include <concur/core/executor.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using concur::timer_heap;
using concur::timer_node;
using time_point = timer_heap::time_point;

static_assert(sizeof(timer_node) == 16);

namespace {

constexpr time_point start{1000s};

std::vector<std::unique_ptr<timer_node>> make_nodes(std::size_t count) {
  std::vector<std::unique_ptr<timer_node>> nodes;
  while (nodes.size() < count) nodes.push_back(std::make_unique<timer_node>());
  return nodes;
}

// Its own timer and work item, which notes its number and the time when it runs.
class noted_timer : public timer_node, public concur::work {
 public:
  noted_timer(std::vector<int>& notes, int number)
      : timer_node(static_cast<concur::work&>(*this)), work(&note), notes_(notes), number_(number) {}

  time_point ran_at{};

 private:
  static void note(concur::work& item) noexcept {
    auto& self = static_cast<noted_timer&>(item);
    self.ran_at = concur::os::clock::now();
    self.notes_.push_back(self.number_);
  }

  std::vector<int>& notes_;
  int number_;
};

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

TEST_CASE("a timer knows the work item it was made with, if any, armed or not", "[timer_heap]") {
  std::vector<int> notes;
  noted_timer timer(notes, 1);
  timer_node const bare;
  CHECK(timer.item() == &timer);
  CHECK(bare.item() == nullptr);
  timer_heap heap;
  heap.add(timer, start);
  timer_node* const due = heap.pop_due(start);
  REQUIRE(due == &timer);
  CHECK(due->item() == &timer);
  due->item()->run();
  CHECK(notes == std::vector{1});
}

TEST_CASE("an executor posts the items of timers in the order of their deadlines, and not before", "[timer_heap]") {
  support::queue_executor here;
  std::vector<int> notes;
  auto const now = concur::os::clock::now();
  noted_timer second(notes, 2), first(notes, 1), third(notes, 3), over(notes, 0), far(notes, 9);
  here.arm(second, now + 2ms);
  here.arm(third, now + 3ms);
  here.arm(first, now + 1ms);
  here.arm(over, time_point::min());
  here.arm(far, time_point::max());
  CHECK(notes.empty());  // not within the call, not even one that is over
  here.run_until([&] { return notes.size() == 4; });
  CHECK(notes == std::vector{0, 1, 2, 3});
  CHECK(first.ran_at >= now + 1ms);
  CHECK(second.ran_at >= now + 2ms);
  CHECK(third.ran_at >= now + 3ms);
  CHECK(here.disarm(far));
}

TEST_CASE("an executor gives a timer back until its item was posted, and it may be armed again", "[timer_heap]") {
  support::queue_executor here;
  std::vector<int> notes;
  noted_timer timer(notes, 1);
  here.arm(timer, time_point::min());
  CHECK(here.disarm(timer));
  here.run_all();
  CHECK(notes.empty());
  here.arm(timer, time_point::min());
  here.run_all();
  CHECK(notes == std::vector{1});
  CHECK_FALSE(here.disarm(timer));
  here.arm(timer, time_point::min());
  here.run_all();
  CHECK(notes == std::vector{1, 1});
}

TEST_CASE("a timer wakes executors that sleep without one", "[timer_heap]") {
  struct bell : concur::work {
    bell() : work(&ring) {}
    static void ring(work& item) noexcept {
      auto& rung = static_cast<bell&>(item).rung;
      rung.store(1);
      concur::os::futex_wake(&rung);
    }
    concur::os::atomic<std::uint32_t> rung{0};
  } item;
  timer_node node(item);
  support::threads_executor pool(2);
  pool.arm(node, concur::os::clock::now() + 1ms);
  while (item.rung.load() == 0) concur::os::futex_wait(item.rung, 0);
  CHECK_FALSE(pool.disarm(node));
}
