// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/detail/work_deque.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using concur::detail::work_deque;
using support::rounds;

static_assert(std::is_trivially_destructible_v<work_deque<int, 8>>);
static_assert(!std::is_copy_constructible_v<work_deque<int, 8>> && !std::is_move_constructible_v<work_deque<int, 8>>);
static_assert(work_deque<int, 8>::capacity() == 8);

constinit work_deque<int, 2> constant_initialised;

}  // namespace

TEST_CASE("work_deque: the owner gets the newest, a thief the oldest", "[work_deque]") {
  work_deque<int, 8> d;
  int items[5] = {};
  CHECK(d.pop() == nullptr);
  CHECK(d.steal() == nullptr);
  for (int& each : items) CHECK(d.push(&each));
  CHECK(d.size() == 5);
  CHECK_FALSE(d.empty());
  CHECK(d.pop() == &items[4]);
  CHECK(d.steal() == &items[0]);
  CHECK(d.steal() == &items[1]);
  CHECK(d.pop() == &items[3]);
  CHECK(d.size() == 1);
  CHECK(d.pop() == &items[2]);
  for (int i = 0; i < 3; ++i) {
    CHECK(d.pop() == nullptr);
    CHECK(d.steal() == nullptr);
    CHECK(d.empty());
  }
  CHECK(d.push(&items[0]));
  CHECK(d.steal() == &items[0]);
  CHECK(d.pop() == nullptr);
}

TEST_CASE("work_deque: an item that was refused has changed nothing", "[work_deque]") {
  work_deque<int, 4> d;
  int items[4] = {};
  int refused = 0;
  for (int& each : items) CHECK(d.push(&each));
  CHECK(d.size() == 4);
  CHECK_FALSE(d.push(&refused));
  CHECK_FALSE(d.push(&refused));
  CHECK(d.size() == 4);
  CHECK(d.steal() == &items[0]);
  CHECK(d.push(&items[0]));
  CHECK_FALSE(d.push(&refused));
  CHECK(d.pop() == &items[0]);
  CHECK(d.push(&items[0]));
  CHECK_FALSE(d.push(&refused));
  for (int i : {1, 2, 3, 0}) CHECK(d.steal() == &items[i]);
  CHECK(d.empty());
}

TEST_CASE("work_deque: room for one", "[work_deque]") {
  work_deque<int, 1> d;
  int items[2] = {};
  for (int lap = 0; lap < 5; ++lap) {
    CHECK(d.push(&items[0]));
    CHECK_FALSE(d.push(&items[1]));
    CHECK((lap % 2 == 0 ? d.pop() : d.steal()) == &items[0]);
    CHECK(d.empty());
  }
}

TEST_CASE("work_deque: behaves as a double-ended list of bounded length, through many laps", "[work_deque]") {
  work_deque<int, 8> d;
  std::deque<int*> model;
  std::vector<int> items(100);
  std::minstd_rand random(1);
  int refused = 0, most_laps = rounds(20'000);
  for (int i = 0; i < most_laps; ++i) {
    // It fills and empties by turns.
    bool const filling = i / 50 % 2 == 0;
    auto const choice = random() % 4;
    if (filling ? choice != 0 : choice == 0) {
      int* const item = &items[random() % items.size()];
      bool const done = d.push(item);
      REQUIRE(done == (model.size() < 8));
      if (done) model.push_back(item);
      refused += !done;
    } else if (choice % 2 == 0) {
      int* const expected = model.empty() ? nullptr : model.back();
      REQUIRE(d.pop() == expected);
      if (expected != nullptr) model.pop_back();
    } else {
      int* const expected = model.empty() ? nullptr : model.front();
      REQUIRE(d.steal() == expected);
      if (expected != nullptr) model.pop_front();
    }
    REQUIRE(d.size() == model.size());
    REQUIRE(d.empty() == model.empty());
  }
  CHECK(refused > 0);
}

TEST_CASE("work_deque: usable in static storage, and by one owner after another", "[work_deque]") {
  int items[2] = {};
  CHECK(constant_initialised.push(&items[0]));
  int* popped = nullptr;
  std::thread([&] {
    CHECK_NOTHROW(popped = constant_initialised.pop());
    static_cast<void>(constant_initialised.push(&items[1]));
  }).join();
  CHECK(popped == &items[0]);
  CHECK(constant_initialised.pop() == &items[1]);
}

namespace {

struct job {
  int payload = 0;  // not atomic: the deque makes it visible
  int taken = 0;    // by its taker
};

// What each thread got: the sum of the payloads, and how many.
struct loot {
  long long sum = 0;
  int count = 0;

  void add(job& one) {
    sum += one.payload;
    ++one.taken;
    ++count;
  }
};

// The owner pushes all jobs, in bursts, with pops in between; where there is no room it sometimes waits for thieves.
// They steal until all are taken.
template <std::size_t Capacity>
void let_loose(int thieves) {
  work_deque<job, Capacity> d;
  std::vector<job> jobs(std::size_t(rounds(200'000)));
  std::vector<loot> got(std::size_t(thieves) + 1);
  std::atomic<bool> all_pushed{false};
  std::atomic<int> out_of_order{0};
  support::hammer crowd;
  crowd.add([&] {
    std::minstd_rand random(7);
    loot mine;
    auto const pop = [&] {
      job* const one = d.pop();
      if (one != nullptr) mine.add(*one);
      return one != nullptr;
    };
    int burst = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].payload = int(i);
      bool const patient = random() % 4 == 0;
      while (!d.push(&jobs[i])) {
        if (patient) {
          std::this_thread::yield();
        } else {
          pop();
        }
      }
      if (burst-- > 0) continue;
      burst = int(random() % (2 * Capacity));
      for (auto pops = random() % (2 * Capacity); pops > 0 && pop(); --pops) {
      }
    }
    while (pop()) {
    }
    all_pushed.store(true, std::memory_order_release);
    got[0] = mine;
  });
  for (int who = 1; who <= thieves; ++who) {
    crowd.add([&, who] {
      loot mine;
      int last = -1;
      for (;;) {
        bool const over = all_pushed.load(std::memory_order_acquire);
        if (job* const one = d.steal()) {
          if (one->payload <= last) out_of_order.fetch_add(1);
          last = one->payload;
          mine.add(*one);
        } else if (over) {
          break;
        } else {
          std::this_thread::yield();
        }
      }
      got[std::size_t(who)] = mine;
    });
  }
  crowd.run();
  CHECK(d.empty());
  CHECK(out_of_order.load() == 0);
  CHECK(std::all_of(jobs.begin(), jobs.end(), [](job const& each) { return each.taken == 1; }));
  loot all;
  for (loot const& each : got) {
    all.sum += each.sum;
    all.count += each.count;
  }
  auto const n = static_cast<long long>(jobs.size());
  CHECK(all.count == n);
  CHECK(all.sum == n * (n - 1) / 2);
  CHECK(got[0].count > 0);
  CHECK(got[0].count < all.count);
}

}  // namespace

TEST_CASE("work_deque: one owner beside thieves, each item is taken once", "[work_deque]") {
  int const thieves = GENERATE(1, 3);
  bool const stormy = GENERATE(false, true);
  support::weather const outside(stormy);
  let_loose<1>(thieves);
  let_loose<4>(thieves);
  let_loose<256>(thieves);
}
