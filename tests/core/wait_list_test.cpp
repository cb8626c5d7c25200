// SPDX-License-Identifier: BSL-1.0
#include <concur/core/wait_list.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <algorithm>
#include <iterator>
#include <list>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using concur::wait_list;
using concur::wait_word;
using concur::waiter;
using concur::wake_reason;

static_assert(std::is_trivially_destructible_v<concur::basic_wait_word<false>>);
constinit wait_word in_static_storage;

// Notes who was woken, in which order.
class recorder final : public concur::party {
 public:
  void wake(waiter& woken, wake_reason reason) noexcept override {
    log.push_back(&woken);
    last = reason;
  }
  wake_reason park(waiter&, concur::time_point) noexcept override { return wake_reason::none; }

  std::vector<waiter*> log;
  wake_reason last = wake_reason::none;
};

std::vector<std::unique_ptr<waiter>> make_waiters(concur::party& party, std::size_t count) {
  std::vector<std::unique_ptr<waiter>> made;
  while (made.size() < count) made.push_back(std::make_unique<waiter>(&party));
  return made;
}

// Takes all out one by one, so that each of the links is looked at.
std::vector<waiter*> drain(wait_list& list) {
  std::vector<waiter*> order;
  while (!list.empty()) order.push_back(&list.pop_front());
  return order;
}

}  // namespace

TEST_CASE("wait_list: random operations agree with a standard list", "[wait_list]") {
  std::mt19937 random(GENERATE(1u, 2u, 3u, 4u));
  recorder party;
  auto const waiters = make_waiters(party, 12);
  wait_list list;
  std::list<waiter*> model;
  for (int round = 0; round < 50'000; ++round) {
    waiter& any = *waiters[random() % waiters.size()];
    auto const at = std::find(model.begin(), model.end(), &any);
    switch (random() % 9) {
      case 0:
      case 1:
        if (at == model.end()) {
          list.push_back(any);
          model.push_back(&any);
        }
        break;
      case 2:
        if (at == model.end()) {
          list.push_front(any);
          model.push_front(&any);
        }
        break;
      case 3:
        if (!model.empty()) {
          if (&list.pop_front() != model.front()) FAIL("pop_front in round " << round);
          model.pop_front();
        }
        break;
      case 4:
      case 5: {
        bool const removed = list.remove(any);
        if (removed != (at != model.end())) FAIL("remove in round " << round);
        if (removed) model.erase(at);
        break;
      }
      case 6: {
        std::size_t const wanted = random() % 16;
        std::size_t const count = list.count_up_to(wanted);
        if (count != std::min(wanted, model.size())) FAIL("count_up_to in round " << round);
        auto taken = list.split(count);
        std::list<waiter*> expected;
        expected.splice(expected.end(), model, model.begin(), std::next(model.begin(), std::ptrdiff_t(count)));
        // Who was taken out of the list by a waker is in no list, although the waker has still to wake it.
        for (auto* each : expected) {
          if (list.remove(*each)) FAIL("a waiter that was split off stood in the list in round " << round);
        }
        party.log.clear();
        taken.wake_all(wake_reason::retry);
        if (!std::equal(party.log.begin(), party.log.end(), expected.begin(), expected.end())) {
          FAIL("wake_all in round " << round);
        }
        break;
      }
      case 7: {
        if (model.empty()) break;
        auto taken = list.split_last();
        if (list.remove(*model.back())) FAIL("the last one, taken out, stood in the list in round " << round);
        party.log.clear();
        taken.wake_all(wake_reason::retry);
        if (party.log != std::vector{model.back()}) FAIL("split_last in round " << round);
        model.pop_back();
        break;
      }
      default:
        if (list.empty() != model.empty()) FAIL("empty in round " << round);
        if (list.front() != (model.empty() ? nullptr : model.front())) FAIL("front in round " << round);
    }
  }
  CHECK(drain(list) == std::vector(model.begin(), model.end()));
}

TEST_CASE("wait_word: the list and the flags stand side by side", "[wait_list]") {
  recorder party;
  auto const waiters = make_waiters(party, 2);
  wait_word word(wait_word::second_flag);
  CHECK_FALSE(wait_word::has_waiters(word.bits().load()));
  REQUIRE(word.enqueue(*waiters[0], [](auto bits) { return bits == wait_word::second_flag; }));
  CHECK(wait_word::has_waiters(word.bits().load()));
  CHECK((word.bits().load() & wait_word::all_flags) == wait_word::second_flag);
  REQUIRE(word.enqueue(*waiters[1], [](auto bits) { return (bits & wait_word::second_flag) != 0; }));
  CHECK_FALSE(word.enqueue(*waiters[1], [](auto) { return false; }));
  CHECK(waiters[1]->reason() == wake_reason::none);
  CHECK(word.withdraw(*waiters[0]));
  CHECK_FALSE(word.withdraw(*waiters[0]));
  CHECK(wait_word::list_in(word.bits().load()).front() == waiters[1].get());
  CHECK(word.withdraw(*waiters[1]));
  CHECK(word.bits().load() == wait_word::second_flag);
  CHECK(in_static_storage.bits().load() == 0);
}

TEST_CASE("wait_word: with a list flag the place holds something else while nobody waits", "[wait_list]") {
  using word_type = concur::basic_wait_word<false, wait_word::first_flag>;
  constexpr std::uintptr_t something_else = 7 << 3;
  recorder party;
  auto const waiters = make_waiters(party, 1);
  word_type word(something_else);
  CHECK_FALSE(word_type::has_waiters(word.bits().load()));
  CHECK(word_type::list_in(word.bits().load()).empty());
  CHECK_FALSE(word.withdraw(*waiters[0]));
  CHECK(word.bits().load() == something_else);
  REQUIRE(word.enqueue(*waiters[0], [](auto) { return true; }));
  CHECK((word.bits().load() & wait_word::first_flag) != 0);
  CHECK(word_type::has_waiters(word.bits().load()));
  CHECK(word.withdraw(*waiters[0]));
  CHECK(word.bits().load() == 0);
}

// Threads come, leave at once or are woken; each is woken exactly once unless it left by itself.
TEST_CASE("wait_word: whoever takes a waiter out owes it one wake, and nobody else wakes it", "[wait_list]") {
  wait_word word;
  std::atomic<long> woken{0}, withdrawn{0}, wakes{0};
  std::atomic<int> running{3};
  int const times = support::rounds(100'000);
  support::hammer crowd;
  crowd.add(3, [&] {
    for (int i = 0; i < times; ++i) {
      waiter me;
      word.enqueue(me, [](auto) { return true; });
      auto why = me.park(i % 3 == 0 ? concur::os::never : concur::at_once, {4, 0});
      if (why == wake_reason::none && word.withdraw(me)) {
        withdrawn.fetch_add(1);
        continue;
      }
      if (why == wake_reason::none) why = me.finish();
      if (why == wake_reason::granted) woken.fetch_add(1);
    }
    running.fetch_sub(1);
  });
  crowd.add([&] {
    while (running.load() != 0) {
      auto const bits = word.lock_list();
      auto list = wait_word::list_in(bits);
      std::size_t const count = list.count_up_to(2);
      auto chosen = list.split(count);
      word.unlock_list(wait_word::with_list(list, bits));
      chosen.wake_all(wake_reason::granted);
      wakes.fetch_add(long(count));
      concur::os::yield();
    }
  });
  crowd.run();
  CHECK(wakes.load() == woken.load());
  CHECK(woken.load() + withdrawn.load() == 3L * times);
  CHECK(woken.load() >= times);
  CHECK(word.bits().load() == 0);
}
