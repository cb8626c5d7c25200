// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/event_count.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::testing::scenario;
using explored::twice;

struct state {
  concur::event_count not_empty;
  concur::os::atomic<int> items{0};

  // relaxed, so that nothing but the event count orders it against the sleepers' list.
  void put() {
    items.fetch_add(1, std::memory_order_relaxed);
    not_empty.notify_one();
  }
  bool try_get() {
    int present = items.load(std::memory_order_relaxed);
    while (present > 0) {
      if (items.compare_exchange_strong(present, present - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void get() {
    not_empty.wait([this] { return try_get(); });
  }
};

void require_items(scenario& s, state& st, int count) {
  s.finally([&s, &st, count] { s.check(st.items.load() == count, "an item was lost or made up"); });
}

twice const one("event_count", "one item", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("consumer", [&st] { st.get(); });
  s.thread("producer", [&st] { st.put(); });
  require_items(s, st, 0);
});

twice const two_items(
    "event_count", "two wait, two items",
    [](scenario& s) {
      auto& st = s.make<state>();
      for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(), st.put(); });
      require_items(s, st, 0);
    },
    explored::schedules_of_three());

twice const two_producers("event_count", "one waits twice, two producers", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("consumer", [&st] { st.get(), st.get(); });
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.put(); });
  require_items(s, st, 0);
});

twice const all("event_count", "two wait, one notify_all", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.get(); });
  s.thread("producer", [&st] {
    st.items.fetch_add(2, std::memory_order_relaxed);
    st.not_empty.notify_all();
  });
  require_items(s, st, 0);
});

// The hint must not be lost on the party that gives up: the other one waits for ever otherwise.
twice const timed(
    "event_count", "timed beside untimed",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("timed", [&] {
        if (st.not_empty.wait_for(1ms, [&] { return st.try_get(); })) st.put();
      });
      s.thread("untimed", [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(); });
      require_items(s, st, 0);
    },
    explored::schedules_of_three());

twice const timed_alone("event_count", "timed beside a notify", [](scenario& s) {
  auto& st = s.make<state>();
  auto& taken = s.make<counted>();
  s.thread("timed", [&] {
    if (st.not_empty.wait_for(1ms, [&] { return st.try_get(); })) taken.add();
  });
  s.thread("producer", [&st] { st.put(); });
  s.finally([&] { s.check(st.items.load() + taken.get() == 1, "an item was lost or made up"); });
});

// Takes without waiting, past the sleepers.
twice const mixed("event_count", "a thief beside a waiter", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("thief", [&st] {
    if (st.try_get()) st.put();
  });
  s.thread("consumer", [&st] { st.get(); });
  s.thread("producer", [&st] { st.put(); });
  require_items(s, st, 0);
});

twice const stopped("event_count", "a stop beside the notify", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("waiter", [&] {
    if (st.not_empty.wait(stop.get_token(), [&] { return st.try_get(); })) st.put();
  });
  s.thread("producer", [&st] { st.put(); });
  s.thread("stopper", [&stop] { stop.request_stop(); });
  require_items(s, st, 1);
});

// Two items: the party whose function throws takes none, so it must not keep a hint to itself.
twice const throwing(
    "event_count", "a function that throws",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("thrower", [&] {
        try {
          st.not_empty.wait([&] {
            if (st.items.load(std::memory_order_relaxed) > 0) throw 1;
            return false;
          });
        } catch (int) {
        }
      });
      s.thread("consumer", [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(), st.put(); });
      require_items(s, st, 1);
    },
    explored::schedules_of_three());

// The only hint goes to whoever slept first. An item is left, so the thrower never waits in vain.
twice const throwing_when_woken(
    "event_count", "a function that throws, and the only hint",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("thrower", [&] {
        try {
          st.not_empty.wait([&] {
            if (st.items.load(std::memory_order_relaxed) > 0) throw 1;
            return false;
          });
        } catch (int) {
        }
      });
      s.thread("consumer", [&st] {
        st.get();
        st.not_empty.notify_all();
      });
      s.thread("producer", [&st] {
        st.items.fetch_add(2, std::memory_order_relaxed);
        st.not_empty.notify_one();
      });
      require_items(s, st, 1);
    },
    explored::schedules_of_three());

support::test_task<> get_in_task(state& st, counted& taken) {
  auto const get = [&st] { return st.try_get(); };
  co_await st.not_empty.async_wait(get);
  taken.add();
}

twice const task(
    "event_count", "a task beside a thread",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(get_in_task(st, s.make<counted>()));
      s.thread("worker", [&t] { t.run(); });
      s.thread("thread", [&st] { st.get(); });
      s.thread("producer", [&st] { st.put(), st.put(); });
      require_items(s, st, 0);
    },
    explored::schedules_of_three());

twice const task_cancelled(
    "event_count", "a task cancelled beside the notify",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& taken = s.make<counted>();
      auto& t = s.make<explored::one_task>(get_in_task(st, taken));
      s.thread("worker", [&t] { t.run(); });
      s.thread("producer", [&st] { st.put(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] { s.check(st.items.load() + taken.get() == 1, "an item was lost or made up"); });
    },
    explored::schedules_of_three());

support::test_task<> count_around_get(state& st, counted& steps) {
  auto const get = [&st, &steps] {
    steps.add();
    return st.try_get();
  };
  co_await st.not_empty.async_wait(get);
}

// On two threads, as in a pool: what the task did before it slept, to the last call of its function, is visible to the
// thread that resumes it.
twice const task_moves(
    "event_count", "a task that wakes on another thread",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& steps = s.make<counted>();
      auto& t = s.make<explored::one_task>(count_around_get(st, steps));
      s.thread("first worker", [&t] { t.run_first_half(); });
      s.thread("second worker", [&t] { t.run_second_half(); });
      s.thread("producer", [&st] { st.put(); });
      s.finally([&] { s.check(steps.get() >= 1 && st.items.load() == 0, "the task has not ended"); });
    },
    explored::schedules_of_three());

// The hint of a task that is cancelled goes to the thread that waits beside it.
explored::registration const task_and_thread(
    "event_count", "a task cancelled beside a thread",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& taken = s.make<counted>();
      auto& t = s.make<explored::one_task>(get_in_task(st, taken));
      s.thread("worker", [&] {
        t.run();
        if (taken.get() == 1) st.put();
      });
      s.thread("thread", [&st] { st.get(); });
      s.thread("producer", [&] {
        st.put();
        t.cancel();
      });
      require_items(s, st, 0);
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("event_count: every schedule") { explored::run("event_count"); }
