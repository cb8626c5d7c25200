// SPDX-License-Identifier: BSL-1.0
#include <concur/queue/queue.hpp>

#include "queue_contract.hpp"

#include <list>
#include <string>

#define EVERY_KIND                                                                                  \
  support::bounded_queue, support::unbounded_queue, support::bounded_lifo, support::unbounded_lifo, \
      support::bounded_priority, support::unbounded_priority

namespace {

using concur::queue;
using support::parcel;
using support::queue_contract;
using support::rounds;

static_assert(!std::is_copy_constructible_v<queue<int>> && !std::is_move_constructible_v<queue<int>>);
static_assert(std::input_iterator<queue<int>::iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, queue<int>::iterator>);
static_assert(!std::is_convertible_v<int, queue<int>>);

}  // namespace

TEMPLATE_TEST_CASE("queues: what is in comes out in the order of the queue", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::order();
}

TEMPLATE_TEST_CASE("queues: every form gives and takes", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::every_form_gives_and_takes();
}

TEMPLATE_TEST_CASE("queues: a refused element stays with the caller as it was", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::refused_stay_with_the_caller();
}

TEMPLATE_TEST_CASE("queues: time limits of every kind, in vain and in time", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::time_limits();
}

TEMPLATE_TEST_CASE("queues: a stop ends the wait and takes nothing", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::a_stop_ends_the_wait();
}

TEMPLATE_TEST_CASE("queues: what comes with the limit or a stop is had", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::what_comes_with_the_limit_is_had();
}

TEMPLATE_TEST_CASE("queues: a closed one refuses, and gives what is left", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::closed_refuses_and_drains();
}

TEMPLATE_TEST_CASE("queues: close wakes everybody who waits, and each element goes to one", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::close_wakes_everybody();
}

TEMPLATE_TEST_CASE("queues: each element dies once, beside close and the queue's end", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::each_element_dies_once();
}

TEMPLATE_TEST_CASE("queues: many at once", "[queue]", EVERY_KIND) { queue_contract<TestType>::bulk(); }

TEMPLATE_TEST_CASE("queues: join waits for every report, and one too many is misuse", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::join_waits_for_every_report();
}

TEMPLATE_TEST_CASE("queues: a task joins", "[queue]", EVERY_KIND) { queue_contract<TestType>::a_task_joins(); }

TEMPLATE_TEST_CASE("queues: reports beside joins", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::reports_beside_joins();
}

TEMPLATE_TEST_CASE("queues: a cancel at any point loses neither element nor room", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::a_cancel_loses_nothing();
}

TEMPLATE_TEST_CASE("queues: a task cancelled before it stands in the list is refused", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::a_task_cancelled_before_it_stands_in_the_list();
}

TEMPLATE_TEST_CASE("queues: a cancelled task passes its hint on", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::a_cancelled_task_passes_its_hint_on();
}

TEMPLATE_TEST_CASE("queues: a foreign coroutine waits on the executor of its thread", "[queue]", EVERY_KIND) {
  queue_contract<TestType>::a_foreign_coroutine_waits();
}

TEMPLATE_TEST_CASE("queues: every form in one hammer, each element comes out once", "[queue]", EVERY_KIND) {
  bool const stormy = GENERATE(false, true);
  std::size_t const capacity = GENERATE(1u, 3u, 1000u);
  queue_contract<TestType>::every_form_in_one_hammer(capacity, stormy);
}

TEST_CASE("queue: without room it cannot be made", "[queue]") {
  CHECK_THROWS_AS(queue<int>(0), concur::misuse);
  CHECK_THROWS_AS(queue<int>(SIZE_MAX), concur::misuse);
  CHECK_THROWS_AS(concur::lifo_queue<int>(0), concur::misuse);
  CHECK_THROWS_AS(concur::priority_queue<int>(0), concur::misuse);
}

TEST_CASE("queue: the elements of each producer come out in order", "[queue]") {
  bool const bounded = GENERATE(true, false);
  constexpr int producers = 3;
  int const each = rounds(50'000);
  queue<std::pair<int, int>> bound(64), free(concur::unbounded);
  auto& q = bounded ? bound : free;
  std::atomic<int> left{producers}, wrong{0}, got{0};
  support::hammer crowd;
  for (int who = 0; who < producers; ++who) {
    crowd.add([&, who] {
      for (int i = 0; i < each; ++i) q.put({who, i});
      if (left.fetch_sub(1) == 1) q.close();
    });
  }
  crowd.add(2, [&] {
    int last[producers] = {-1, -1, -1};
    for (auto const& [who, number] : q) {
      if (number <= last[who]) wrong.fetch_add(1);
      last[who] = number;
      got.fetch_add(1);
    }
  });
  crowd.run();
  CHECK(wrong.load() == 0);
  CHECK(got.load() == producers * each);
}

TEST_CASE("queue: elements of great alignment, and larger than a line", "[queue]") {
  struct alignas(256) large {
    explicit large(int number) : value(number) {}
    int value;
    char rest[300] = {};
  };
  auto const stands_right = [](large const& each) { return reinterpret_cast<std::uintptr_t>(&each) % 256 == 0; };
  queue<large> bounded(3);
  queue<large> free(concur::unbounded);
  concur::priority_queue<int, std::greater<>> smallest_first(concur::unbounded);
  for (auto* q : {&bounded, &free}) {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 3; ++i) q->put(large(i));
      for (int i = 0; i < 3; ++i) {
        auto const each = q->get();
        CHECK(each.value == i);
        CHECK(stands_right(each));
      }
    }
  }
}

TEST_CASE("queue: a loop over it may be left and taken up again", "[queue]") {
  queue<std::string> q(8);
  for (auto const* word : {"a", "b", "c"}) q.put(word);
  for (auto& word : q) {
    CHECK(word == "a");
    word += "!";
    break;
  }
  q.close();
  std::string rest;
  for (auto const& word : q) rest += word;
  CHECK(rest == "bc");
  CHECK(q.begin() == q.end());
}

TEST_CASE("queue: a range that is not contiguous, by copy and by move", "[queue]") {
  queue<std::string> q(concur::unbounded);
  std::list<std::string> words = {"one", "two"};
  CHECK(q.put_many(words) == 2);
  CHECK(words.front() == "one");
  CHECK(q.put_many(std::move(words)) == 2);
  CHECK(words.front().empty());
  CHECK(q.get_many(10) == std::vector<std::string>{"one", "two", "one", "two"});
}
