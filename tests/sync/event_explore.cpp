// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/event.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

struct state {
  concur::event e;
  counted message;
};

twice const two("event", "two wait, one sets", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&] {
      st.e.wait();
      s.check(st.message.get() == 1, "what was written before set is not visible");
    });
  }
  s.thread("setter", [&st] {
    st.message.add();
    st.e.set();
  });
});

twice const two_setters("event", "one waits, two set", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("waiter", [&st] { st.e.wait(); });
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.e.set(); });
  s.finally([&] { s.check(st.e.is_set(), "the flag was lost"); });
});

twice const cleared("event", "cleared at once", [](scenario& s) {
  auto& st = s.make<state>();
  auto& passed = s.make<concur::event>();
  s.thread("waiter", [&] {
    st.e.wait();
    passed.set();
  });
  s.thread("setter", [&] {
    // Every wait that began before a set goes on; one that came too late gets the next.
    st.e.set();
    st.e.clear();
    if (!passed.wait_for(1ms)) st.e.set();
  });
});

twice const timed(
    "event", "timed beside untimed",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("timed", [&] {
        if (st.e.wait_for(1ms)) s.check(st.message.get() == 1, "what was written before set is not visible");
      });
      s.thread("untimed", [&] {
        st.e.wait();
        s.check(st.message.get() == 1, "what was written before set is not visible");
      });
      s.thread("setter", [&st] {
        st.message.add();
        st.e.set();
      });
    },
    explored::schedules_of_three());

twice const looked_at("event", "is_set beside wait", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("looker", [&] {
    if (st.e.is_set()) s.check(st.message.get() == 1, "what was written before set is not visible");
  });
  s.thread("waiter", [&] {
    st.e.wait();
    s.check(st.message.get() == 1, "what was written before set is not visible");
  });
  s.thread("setter", [&st] {
    st.message.add();
    st.e.set();
  });
});

twice const stopped("event", "a stop beside the set", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("waiter", [&] {
    if (st.e.wait(stop.get_token())) {
      s.check(st.message.get() == 1, "what was written before set is not visible");
    } else {
      s.check(stop.stop_requested(), "a wait ended for no reason");
    }
  });
  s.thread("setter", [&st] {
    st.message.add();
    st.e.set();
  });
  s.thread("stopper", [&stop] { stop.request_stop(); });
});

twice const destroyed("event", "destroyed by the party that waited", [](scenario& s) {
  auto& e = s.make<destructible<concur::event>>();
  s.thread("waiter", [&e] {
    e->wait();
    e.destroy();
  });
  s.thread("setter", [&e] { e->set(); });
});

twice const destroyed_timed("event", "destroyed by a party that waited with a limit", [](scenario& s) {
  auto& e = s.make<destructible<concur::event>>();
  s.thread("waiter", [&e] {
    while (!e->wait_for(1ms)) {
    }
    e.destroy();
  });
  s.thread("setter", [&e] { e->set(); });
});

// Told again before it was cleared: the party that clears and looks then sees what it was told of, or is told again.
twice const told_again("event", "a set of a set event beside a clear", [](scenario& s) {
  struct shared {
    concur::event told{true};
    concur::os::atomic<int> value{0};
    counted seen;
  };
  auto& st = s.make<shared>();
  s.thread("teller", [&st] {
    st.value.store(1, std::memory_order_relaxed);
    st.told.set();
  });
  s.thread("clearer", [&st] {
    st.told.wait();
    st.told.clear();
    st.seen.add(st.value.load(std::memory_order_relaxed));
  });
  s.finally([&] { s.check(st.seen.get() == 1 || st.told.is_set(), "a set was lost"); });
});

// The same while a third party gives up: what unlocks the list must not come between the set and the clear.
explored::registration const told_beside(
    "event", "a set of a set event beside a party that gives up",
    [](scenario& s) {
      struct shared {
        concur::event told;
        concur::os::atomic<int> value{0};
        counted seen;
      };
      auto& st = s.make<shared>();
      s.thread("timed", [&st] { (void)st.told.wait_for(1ms); });
      s.thread("teller", [&st] {
        st.told.set();
        st.value.store(1, std::memory_order_relaxed);
        st.told.set();
      });
      s.thread("clearer", [&st] {
        st.told.wait();
        st.told.clear();
        st.seen.add(st.value.load(std::memory_order_relaxed));
      });
      s.finally([&] { s.check(st.seen.get() == 1 || st.told.is_set(), "a set was lost"); });
    },
    {.preemptions = 2, .timeouts = 1, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 1});

// The party that gives up locks the list for a moment, set or not.
twice const cleared_beside("event", "clear beside a party that gives up", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("timed", [&st] { (void)st.e.wait_for(1ms); });
  s.thread("setter", [&] {
    st.e.set();
    st.e.clear();
    s.check(!st.e.is_set(), "clear had no effect");
  });
});

support::test_task<> wait_in_task(state& st) {
  int const written = 1;
  co_await st.e.async_wait();
  explored::testing::check(st.message.get() == written, "what was written before set is not visible");
}

twice const task(
    "event", "a task beside a thread",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(wait_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("thread", [&st] { st.e.wait(); });
      s.thread("setter", [&st] {
        st.message.add();
        st.e.set();
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("event: every schedule") { explored::run("event"); }
