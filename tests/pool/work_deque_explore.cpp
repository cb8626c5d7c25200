// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/detail/work_deque.hpp>

#include "support/bounded.hpp"

#include <concur/sync/event_count.hpp>

#include <cstddef>

namespace {

using explored::counted;
using explored::registration;
using explored::twice;
using explored::testing::scenario;

// These calls are short: one search with everything that can happen in them, beyond the usual bounds.
explored::testing::options deep() {
  return {.preemptions = 4, .timeouts = 0, .spurious = 0, .weak_failures = 1, .clock_jumps = 0, .stale_reads = 2};
}

struct item {
  int number = 0;
  counted written;  // by the owner, before it is pushed
  counted taken;
};

/// A deque and items 1, 2, … to push into it. Calls are made by the owner, and by thieves that each have a number.
template <std::size_t Capacity>
class state {
 public:
  explicit state(scenario& s) : scenario_(s) {
    for (item& each : items_) each.number = int(&each - items_) + 1;
  }

  /// Whether there was room.
  bool push(int number) {
    newest_popped_ = most;
    item& one = items_[number - 1];
    one.written.add();
    bool const done = deque_.push(&one);
    if (done) ++pushed_;
    return done;
  }
  /// Their numbers; 0: none.
  int pop() {
    int const number = take(deque_.pop());
    scenario_.check(number < newest_popped_, "an older item was popped before a newer one");
    if (number != 0) newest_popped_ = number;
    return number;
  }
  int steal(int thief) {
    int const number = take(deque_.steal());
    scenario_.check(number == 0 || number > last_stolen_[thief], "a newer item was stolen before an older one");
    if (number != 0) last_stolen_[thief] = number;
    return number;
  }
  std::size_t size() const { return deque_.size(); }

  /// At the end: takes what is left; returns how many.
  int drain() {
    int left = 0;
    while (pop() != 0) ++left;
    return left;
  }
  void require_each_taken_once() {
    int taken = 0;
    for (item& each : items_) {
      scenario_.check(each.taken.get() <= 1, "an item was taken twice");
      taken += each.taken.get();
    }
    scenario_.check(taken == pushed_, "an item was lost");
    scenario_.check(deque_.empty() && deque_.steal() == nullptr, "something is left in an empty deque");
  }

 private:
  static constexpr int most = 6;

  int take(item* taken) {
    if (taken == nullptr) return 0;
    scenario_.check(taken->written.get() == 1, "an item was taken that was never pushed");
    taken->taken.add();
    return taken->number;
  }

  scenario& scenario_;
  concur::detail::work_deque<item, Capacity> deque_;
  item items_[most - 1];
  int pushed_ = 0;
  int newest_popped_ = most;
  int last_stolen_[2] = {};
};

enum class at_the_end { something_may_be_left, nothing_is_left };

// With items 1 to `count` in it.
template <std::size_t Capacity>
state<Capacity>& make_state(scenario& s, int count, at_the_end end = at_the_end::something_may_be_left) {
  auto& st = s.make<state<Capacity>>(s);
  for (int i = 1; i <= count; ++i) s.check(st.push(i), "refused although there is room");
  s.finally([&s, &st, end] {
    int const left = st.drain();
    s.check(end != at_the_end::nothing_is_left || left == 0, "an item was not found by those who came for it");
    st.require_each_taken_once();
  });
  return st;
}

// The owner's last pop comes after its pushes, so it finds what nobody else has taken.
registration const two(
    "work_deque", "two items, twice at each end",
    [](scenario& s) {
      auto& st = make_state<4>(s, 0, at_the_end::nothing_is_left);
      s.thread("owner", [&st] { st.push(1), st.push(2), st.pop(), st.pop(); });
      s.thread("thief", [&st] { st.steal(0), st.steal(0); });
    },
    deep());

registration const alternating(
    "work_deque", "one item at a time",
    [](scenario& s) {
      auto& st = make_state<1>(s, 0, at_the_end::nothing_is_left);
      s.thread("owner", [&] {
        for (int number : {1, 2}) {
          s.check(st.push(number), "no room after a pop that left nothing");
          st.pop();
        }
      });
      s.thread("thief", [&st] { st.steal(0), st.steal(0); });
    },
    deep());

registration const last(
    "work_deque", "the last item: the owner and two thieves",
    [](scenario& s) {
      auto& st = make_state<2>(s, 1, at_the_end::nothing_is_left);
      s.thread("owner", [&st] { st.pop(); });
      s.thread("first", [&st] { st.steal(0); });
      s.thread("second", [&st] { st.steal(1); });
    },
    deep());

registration const last_pushed(
    "work_deque", "the last item, pushed beside two thieves",
    [](scenario& s) {
      auto& st = make_state<2>(s, 0, at_the_end::nothing_is_left);
      s.thread("owner", [&st] { st.push(1), st.pop(); });
      s.thread("first", [&st] { st.steal(0); });
      s.thread("second", [&st] { st.steal(1); });
    },
    deep());

registration const last_but_one(
    "work_deque", "the last but one: the owner takes both, two thieves",
    [](scenario& s) {
      auto& st = make_state<2>(s, 2, at_the_end::nothing_is_left);
      s.thread("owner", [&st] { st.pop(), st.pop(); });
      s.thread("first", [&st] { st.steal(0); });
      s.thread("second", [&st] { st.steal(1); });
    },
    deep());

// Nobody may be sent away while there is something.
registration const enough(
    "work_deque", "three items for three: nobody finds none",
    [](scenario& s) {
      auto& st = make_state<4>(s, 3, at_the_end::nothing_is_left);
      s.thread("owner", [&] { s.check(st.pop() != 0, "the owner found none"); });
      for (int thief : {0, 1}) {
        s.thread(thief == 0 ? "first" : "second", [&, thief] { s.check(st.steal(thief) != 0, "a thief found none"); });
      }
    },
    deep());

// A push uses the place, and the number, of an item that was popped.
registration const again(
    "work_deque", "a number used again beside a thief",
    [](scenario& s) {
      auto& st = make_state<4>(s, 2);
      s.thread("owner", [&st] { st.pop(), st.push(3), st.pop(), st.push(4); });
      s.thread("thief", [&st] { st.steal(0), st.steal(0); });
    },
    deep());

// A thief may have read what was in a place before the other thief took that and the owner used the place again.
registration const wrapped(
    "work_deque", "places used again beside two thieves",
    [](scenario& s) {
      auto& st = make_state<2>(s, 2);
      s.thread("owner", [&st] { st.push(3), st.push(4); });
      s.thread("first", [&st] { st.steal(0); });
      s.thread("second", [&st] { st.steal(1); });
    },
    deep());

registration const wrapped_and_popped(
    "work_deque", "a place used again, and popped, beside a thief",
    [](scenario& s) {
      auto& st = make_state<2>(s, 2);
      s.thread("owner", [&st] { st.push(3), st.pop(), st.push(4); });
      s.thread("thief", [&st] { st.steal(0), st.steal(0); });
    },
    deep());

registration const room(
    "work_deque", "room means that the place was left before",
    [](scenario& s) {
      auto& st = make_state<2>(s, 2);
      auto& before_steal = s.make<counted>();
      s.thread("owner", [&] {
        if (!st.push(3)) return;
        s.check(before_steal.get() == 1, "room without what came before the steal");
        s.check(!st.push(4), "room for three");
      });
      s.thread("thief", [&] {
        before_steal.add();
        st.steal(0);
      });
    },
    deep());

// The thief whose steal the owner sees is not the one who took the item out of the place.
registration const room_of_another(
    "work_deque", "room made by one thief, seen by way of another",
    [](scenario& s) {
      auto& st = make_state<2>(s, 2);
      counted* before[2] = {&s.make<counted>(), &s.make<counted>()};
      s.thread("owner", [&st, &s, a = before[0], b = before[1]] {
        if (st.push(3) && st.push(4)) s.check(a->get() + b->get() == 2, "room without what came before the steals");
      });
      for (int thief : {0, 1}) {
        s.thread(thief == 0 ? "first" : "second", [&st, thief, mine = before[thief]] {
          mine->add();
          st.steal(thief);
        });
      }
    },
    deep());

registration const sizes(
    "work_deque", "size beside the race for the last item",
    [](scenario& s) {
      auto& st = make_state<4>(s, 1);
      s.thread("owner", [&st] { st.pop(), st.push(2); });
      s.thread("thief", [&st] { st.steal(0); });
      s.thread("onlooker", [&] { s.check(st.size() <= 2, "more than were ever pushed"); });
    },
    deep());

// The owner's push is not ordered against the thief's look; the event count sees to it that one notices the other.
twice const sleeper("work_deque", "a thief that sleeps when it finds none", [](scenario& s) {
  auto& st = make_state<2>(s, 0, at_the_end::nothing_is_left);
  auto& not_empty = s.make<concur::event_count>();
  s.thread("owner", [&] {
    for (int number : {1, 2}) {
      st.push(number);
      not_empty.notify_one();
    }
  });
  s.thread("thief", [&] {
    for (int found = 0; found < 2; ++found) not_empty.wait([&st] { return st.steal(0) != 0; });
  });
});

}  // namespace

TEST_CASE("work_deque: every schedule") { explored::run("work_deque"); }
