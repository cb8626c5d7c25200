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
using concur::work;
using time_point = timer_heap::time_point;

namespace {

constexpr time_point start{1000s};

class idle_timer : public work {
 public:
  idle_timer() : work([](work&) noexcept {}) {}
};

std::vector<std::unique_ptr<idle_timer>> make_timers(std::size_t count) {
  std::vector<std::unique_ptr<idle_timer>> timers;
  while (timers.size() < count) timers.push_back(std::make_unique<idle_timer>());
  return timers;
}

// Notes its number and the time when it runs.
class noted_timer : public work {
 public:
  noted_timer(std::vector<int>& notes, int number) : work(&note), notes_(notes), number_(number) {}

  time_point ran_at{};

 private:
  static void note(work& item) noexcept {
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
  idle_timer timer;
  heap.add(timer, start);
  CHECK(heap.holds(timer));
  CHECK(heap.next_deadline() == start);
  CHECK(heap.pop_due(start - 1ns) == nullptr);
  CHECK(heap.pop_due(start) == &timer);
  CHECK_FALSE(heap.holds(timer));
  CHECK(heap.empty());
}

TEST_CASE("the extremes of the clock are deadlines like any other", "[timer_heap]") {
  timer_heap heap;
  idle_timer first, last;
  heap.add(last, time_point::max());
  heap.add(first, time_point::min());
  CHECK(heap.next_deadline() == time_point::min());
  CHECK(heap.pop_due(time_point::min()) == &first);
  CHECK(heap.pop_due(time_point::max() - 1ns) == nullptr);
  CHECK(heap.pop_due(time_point::max()) == &last);
}

TEST_CASE("equal deadlines fire in the order of arming, whatever is removed between them", "[timer_heap]") {
  timer_heap heap;
  auto const timers = make_timers(300);
  for (auto const& timer : timers) heap.add(*timer, start);
  for (std::size_t n = 0; n < timers.size(); n += 3) heap.remove(*timers[n]);
  heap.add(*timers[0], start);
  for (std::size_t n = 0; n < timers.size(); ++n) {
    if (n % 3 != 0) REQUIRE(heap.pop_due(start) == timers[n].get());
  }
  CHECK(heap.pop_due(start) == timers[0].get());
}

TEST_CASE("random operations agree with an ordered multimap", "[timer_heap]") {
  std::mt19937 random(GENERATE(1u, 2u, 3u));
  timer_heap heap;
  std::multimap<time_point, work*> model;  // keeps equal keys in the order of insertion
  auto const timers = make_timers(200);
  auto const random_time = [&random]() -> time_point {
    switch (random() % 16) {
      case 0: return time_point::max();
      case 1: return time_point::min();
      default: return start + std::chrono::milliseconds(random() % 64);
    }
  };
  for (int round = 0; round < 20'000; ++round) {
    work& timer = *timers[random() % timers.size()];
    if (random() % 8 == 0) {
      time_point const now = random_time();
      work* const due = heap.pop_due(now);
      bool const expected = !model.empty() && model.begin()->first <= now;
      REQUIRE((due != nullptr) == expected);
      if (expected) {
        REQUIRE(due == model.begin()->second);
        model.erase(model.begin());
      }
    } else if (heap.holds(timer)) {
      heap.remove(timer);
      std::erase_if(model, [&timer](auto const& each) { return each.second == &timer; });
    } else {
      time_point const deadline = random_time();
      heap.add(timer, deadline);
      model.emplace(deadline, &timer);
    }
    if (heap.size() != model.size()) FAIL("size differs in round " << round);
    if (heap.next_deadline() != (model.empty() ? concur::os::never : model.begin()->first)) FAIL("round " << round);
  }
  for (auto const& [deadline, timer] : model) REQUIRE(heap.pop_due(deadline) == timer);
  CHECK(heap.empty());
}

TEST_CASE("checked builds report a timer armed twice, or disarmed where it is not armed", "[timer_heap]") {
  if constexpr (CONCUR_CHECKED) {
    auto* const before = concur::set_misuse_handler([](concur::misuse_report const& report) { throw report.line; });
    timer_heap heap, other;
    idle_timer timer, more;
    heap.add(timer, start);
    other.add(more, start);
    CHECK_THROWS_AS(heap.add(timer, start), unsigned);
    CHECK_THROWS_AS(other.remove(timer), unsigned);
    heap.remove(timer);
    other.remove(more);
    CHECK_THROWS_AS(heap.remove(timer), unsigned);
    concur::set_misuse_handler(before);
  }
}

TEST_CASE("whatever the link of an item says, a heap knows whether it is armed there", "[timer_heap]") {
  timer_heap heap, other;
  idle_timer first, second, elsewhere, queued;
  heap.add(first, start);
  heap.add(second, start + 1s);
  other.add(elsewhere, start);  // at the place that `first` has here
  CHECK(heap.holds(first));
  CHECK(heap.holds(second));
  CHECK_FALSE(heap.holds(elsewhere));
  for (auto* const next : {static_cast<work*>(nullptr), static_cast<work*>(&first), static_cast<work*>(&queued)}) {
    queued.set_next(next);
    CHECK_FALSE(heap.holds(queued));
  }
  REQUIRE(heap.pop_due(start) == &first);
  CHECK_FALSE(heap.holds(first));
  CHECK(heap.holds(second));
  heap.remove(second);
  CHECK_FALSE(heap.holds(second));
  other.remove(elsewhere);
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
  struct bell : work {
    bell() : work(&ring) {}
    static void ring(work& item) noexcept {
      auto& rung = static_cast<bell&>(item).rung;
      rung.store(1);
      concur::os::futex_wake(&rung);
    }
    concur::os::atomic<std::uint32_t> rung{0};
  } item;
  support::threads_executor pool(2);
  pool.arm(item, concur::os::clock::now() + 1ms);
  while (item.rung.load() == 0) concur::os::futex_wait(item.rung, 0);
  CHECK_FALSE(pool.disarm(item));
}
