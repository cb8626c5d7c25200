// SPDX-License-Identifier: BSL-1.0
#include "explored_elements.hpp"

namespace {

using explored::counted;
using explored::destructible;
using explored::element;
using explored::history;
using explored::lives;
using explored::twice;
using explored::testing::scenario;

struct state {
  explicit state(std::size_t capacity) : places(capacity), log(capacity) {}

  void push(int value) { log.push(*places, value, alive); }
  void pop() { log.pop(*places); }
  void push_many(std::vector<int> const& values) { log.push_many(*places, values, alive); }
  void pop_many(std::size_t max) { log.pop_many(*places, max); }

  lives alive;
  destructible<concur::ring<element>> places;
  history log;
};

// With these elements in it, at the end of so many rounds.
state& make_state(scenario& s, std::size_t capacity, std::vector<int> const& values = {}, std::size_t turns = 0) {
  auto& st = s.make<state>(capacity);
  auto& r = *st.places;
  for (std::size_t i = 0; i < turns; ++i) {
    static_cast<void>(r.try_push(element(0, st.alive)));
    static_cast<void>(r.try_pop());
  }
  for (int value : values) static_cast<void>(r.try_push(element(value, st.alive)));
  st.log.start_with(values);
  s.finally([&s, &st] {
    s.check(st.log.explained(), "no order of the operations explains their results");
    st.places.destroy();
    s.check(st.alive.made == st.alive.gone, "an element was lost, or destroyed twice");
  });
  return st;
}

twice const two_producers("ring", "room for one: two producers, one consumer", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("first", [&st] { st.push(1); });
  s.thread("second", [&st] { st.push(2); });
  s.thread("consumer", [&st] { st.pop(), st.pop(); });
});

twice const two_consumers("ring", "room for one: one producer, two consumers", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("producer", [&st] { st.push(1), st.push(2); });
  s.thread("first", [&st] { st.pop(); });
  s.thread("second", [&st] { st.pop(); });
});

twice const two_producers_of_two("ring", "room for two: two producers, one consumer", [](scenario& s) {
  auto& st = make_state(s, 2, {1});
  s.thread("first", [&st] { st.push(2); });
  s.thread("second", [&st] { st.push(3); });
  s.thread("consumer", [&st] { st.pop(), st.pop(); });
});

twice const two_consumers_of_two("ring", "room for two: one producer, two consumers", [](scenario& s) {
  auto& st = make_state(s, 2, {1});
  s.thread("producer", [&st] { st.push(2), st.push(3); });
  s.thread("first", [&st] { st.pop(); });
  s.thread("second", [&st] { st.pop(); });
});

// Each could miss what the other has just done, and say empty where it says full.
twice const both_ends("ring", "room for two: twice at each end", [](scenario& s) {
  auto& st = make_state(s, 2, {1});
  s.thread("producer", [&st] { st.push(2), st.push(3); });
  s.thread("consumer", [&st] { st.pop(), st.pop(); });
});

twice const round_and_round("ring", "room for one: three times round", [](scenario& s) {
  auto& st = make_state(s, 1, {}, 1);
  s.thread("producer", [&st] { st.push(1), st.push(2), st.push(3); });
  s.thread("consumer", [&st] { st.pop(), st.pop(), st.pop(); });
});

twice const odd("ring", "room for three, at the end of a round", [](scenario& s) {
  auto& st = make_state(s, 3, {1, 2}, 2);
  s.thread("producer", [&st] { st.push(3), st.push(4); });
  s.thread("consumer", [&st] { st.pop(), st.pop_many(3); });
});

twice const push_and_close("ring", "push beside close beside pop", [](scenario& s) {
  auto& st = make_state(s, 2);
  s.thread("producer", [&st] { st.push(1), st.push(2); });
  s.thread("closer", [&st] { st.log.close(*st.places); });
  s.thread("consumer", [&st] { st.pop(), st.pop(); });
});

twice const closed_twice("ring", "closed twice, and full", [](scenario& s) {
  auto& st = make_state(s, 1, {1});
  s.thread("first", [&st] { st.log.close(*st.places); });
  s.thread("second", [&st] { st.log.close(*st.places), st.pop(), st.pop(); });
  s.thread("producer", [&st] { st.push(2), st.log.is_closed(*st.places); });
});

twice const many_and_close("ring", "many at once beside close", [](scenario& s) {
  auto& st = make_state(s, 2);
  s.thread("producer", [&st] { st.push_many({1, 2, 3}); });
  s.thread("closer", [&st] { st.log.close(*st.places); });
  s.thread("consumer", [&st] { st.pop_many(2), st.pop(); });
});

twice const many_and_single("ring", "many at once beside single ones", [](scenario& s) {
  auto& st = make_state(s, 2);
  s.thread("many", [&st] { st.push_many({1, 2}); });
  s.thread("single", [&st] { st.push(3); });
  s.thread("consumer", [&st] { st.pop_many(2), st.pop(); });
});

// The ends pass places that nobody has written or read yet, by more than a round.
twice const laps(
    "ring", "many at once, rounds ahead of a slow consumer",
    [](scenario& s) {
      auto& st = make_state(s, 2, {1, 2});
      s.thread("slow", [&st] { st.pop(); });
      s.thread("producer", [&st] { st.push_many({3, 4}), st.push_many({5, 6}); });
      s.thread("consumer", [&st] { st.pop_many(2), st.pop_many(2); });
    },
    explored::schedules_of_three());

twice const slow_producer("ring", "many at once, rounds ahead of a slow producer", [](scenario& s) {
  auto& st = make_state(s, 1);
  s.thread("slow", [&st] { st.push(1); });
  s.thread("consumer", [&st] { st.pop_many(1), st.pop(); });
  s.thread("producer", [&st] { st.push_many({2}), st.push(3); });
});

twice const sizes("ring", "size beside push and pop", [](scenario& s) {
  auto& st = make_state(s, 2, {1});
  s.thread("producer", [&st] { st.push(2); });
  s.thread("consumer", [&st] { st.pop(), st.pop(); });
  s.thread("onlooker", [&st] { st.log.size(*st.places); });
});

twice const shown("ring", "what happened before is visible", [](scenario& s) {
  auto& st = make_state(s, 1);
  auto& before_close = s.make<counted>();
  auto& before_pop = s.make<counted>();
  s.thread("closer", [&] {
    before_pop.add();
    st.pop();
    before_close.add();
    st.log.close(*st.places);
  });
  s.thread("producer", [&] {
    st.push(1);
    auto const second = st.log.push(*st.places, 2, st.alive);
    if (second == concur::ring_outcome::done) s.check(before_pop.get() == 1, "room without what came before the pop");
    if (second == concur::ring_outcome::closed) s.check(before_close.get() == 1, "closed without what came before");
  });
  s.thread("onlooker", [&] {
    if (st.places->is_closed()) s.check(before_close.get() == 1, "closed without what came before");
  });
});

twice const left("ring", "a place is free only when its element has left", [](scenario& s) {
  auto& alive = s.make<lives>();
  auto& places = s.make<destructible<concur::ring<element>>>(std::size_t{1});
  auto& gone = s.make<counted>();
  static_cast<void>(places->try_push(element(1, alive)));
  s.thread("consumer", [&] {
    places->pop([&](element&& item) noexcept {
      element const mine(std::move(item));
      gone.add();
    });
  });
  s.thread("producer", [&, many = s.choose(2) == 1] {
    element item(2, alive);
    bool const done = many ? places->push_many(std::move_iterator(&item), 1) == 1
                           : places->push(std::move(item)) == concur::ring_outcome::done;
    if (done) s.check(gone.get() == 1, "a place was taken before its element had left");
  });
  s.finally([&] {
    places.destroy();
    s.check(alive.made == alive.gone, "an element was lost, or destroyed twice");
  });
});

}  // namespace

TEST_CASE("ring: every schedule") { explored::run("ring"); }
