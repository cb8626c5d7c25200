// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/latch.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::check;
using explored::testing::scenario;
using explored::twice;

// What each party does before it counts down, and what everybody finds who passes.
struct state {
  explicit state(std::ptrdiff_t count) : l(count) {}

  void arrive(int which) {
    done[which].add();
    l.count_down();
  }
  void check_done(int parties) {
    for (int i = 0; i < parties; ++i) {
      check(done[i].get() == 1, "what was done before a count_down is not visible to who passed");
    }
  }

  concur::latch l;
  counted done[3];
};

twice const one_by_one("latch", "two count down beside a wait", [](scenario& s) {
  auto& st = s.make<state>(2);
  s.thread("waiter", [&st] {
    st.l.wait();
    st.check_done(2);
  });
  s.thread("first", [&st] { st.arrive(0); });
  s.thread("second", [&st] { st.arrive(1); });
});

twice const two_wait("latch", "two wait, one counts down twice", [](scenario& s) {
  auto& st = s.make<state>(2);
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.l.wait();
      st.check_done(2);
    });
  }
  s.thread("counter", [&st] { st.arrive(0), st.arrive(1); });
});

twice const meeting("latch", "three arrive and wait", [](scenario& s) {
  auto& st = s.make<state>(3);
  for (int i = 0; i < 3; ++i) {
    s.thread(i == 0   ? "first"
             : i == 1 ? "second"
                      : "third",
             [&st, i] {
               st.done[i].add();
               st.l.arrive_and_wait();
               st.check_done(3);
             });
  }
});

twice const looked_at("latch", "try_wait beside wait", [](scenario& s) {
  auto& st = s.make<state>(1);
  s.thread("looker", [&st] {
    if (st.l.try_wait()) st.check_done(1);
  });
  s.thread("waiter", [&st] {
    st.l.wait();
    st.check_done(1);
  });
  s.thread("counter", [&st] { st.arrive(0); });
});

twice const timed(
    "latch", "timed beside untimed",
    [](scenario& s) {
      auto& st = s.make<state>(2);
      s.thread("timed", [&st] {
        if (st.l.wait_for(1ms)) st.check_done(2);
      });
      s.thread("untimed", [&st] {
        st.l.wait();
        st.check_done(2);
      });
      s.thread("counter", [&st] { st.arrive(0), st.arrive(1); });
    },
    explored::schedules_of_three());

// The only one that waits gives up: the count goes back into the word.
twice const gives_up("latch", "the only one that waits gives up", [](scenario& s) {
  auto& st = s.make<state>(2);
  s.thread("timed", [&st] {
    if (st.l.wait_for(1ms)) {
      st.check_done(2);
    } else {
      st.l.wait();
      st.check_done(2);
    }
  });
  s.thread("counter", [&st] { st.arrive(0), st.arrive(1); });
});

// It is the party that gives up, not the one that counts down, that writes the word last.
twice const looked_at_after(
    "latch", "try_wait beside a party that gives up",
    [](scenario& s) {
      auto& st = s.make<state>(1);
      s.thread("timed", [&st] { (void)st.l.wait_for(1ms); });
      s.thread("looker", [&st] {
        if (st.l.try_wait()) st.check_done(1);
      });
      s.thread("counter", [&] {
        st.arrive(0);
        s.check(st.l.try_wait(), "try_wait said no to an open latch");
      });
    },
    explored::schedules_of_three());

twice const stopped("latch", "a stop beside the last count_down", [](scenario& s) {
  auto& st = s.make<state>(1);
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("waiter", [&] {
    if (st.l.wait(stop.get_token())) {
      st.check_done(1);
    } else {
      s.check(stop.stop_requested(), "a wait ended for no reason");
    }
  });
  s.thread("counter", [&st] { st.arrive(0); });
  s.thread("stopper", [&stop] { stop.request_stop(); });
  s.finally([&] { s.check(st.l.try_wait(), "the count was lost"); });
});

twice const too_much("latch", "counted down by too much beside a wait", [](scenario& s) {
  auto& st = s.make<state>(1);
  auto& refused = s.make<counted>();
  s.thread("waiter", [&st] { st.l.wait(); });
  s.thread("counter", [&] {
    try {
      st.l.count_down(2);
    } catch (concur::misuse const&) {
      refused.add();
    }
    st.l.count_down();
  });
  s.finally([&] { s.check(refused.get() == 1, "a count_down of too much was not refused"); });
});

twice const destroyed("latch", "destroyed by the party that waited", [](scenario& s) {
  auto& l = s.make<destructible<concur::latch>>(2);
  s.thread("waiter", [&l] {
    l->wait();
    l.destroy();
  });
  for (auto const* name : {"first", "second"}) s.thread(name, [&l] { l->count_down(); });
});

twice const destroyed_timed("latch", "destroyed by a party that waited with a limit", [](scenario& s) {
  auto& l = s.make<destructible<concur::latch>>(1);
  s.thread("waiter", [&l] {
    while (!l->wait_for(1ms)) {
    }
    l.destroy();
  });
  s.thread("counter", [&l] { l->count_down(); });
});

support::test_task<> arrive_in_task(state& st, counted& passed) {
  int const parties = 2;
  st.done[0].add();
  co_await st.l.async_arrive_and_wait();
  st.check_done(parties);
  passed.add();
}

twice const task(
    "latch", "a task beside a thread",
    [](scenario& s) {
      auto& st = s.make<state>(2);
      auto& t = s.make<explored::one_task>(arrive_in_task(st, s.make<counted>()));
      s.thread("worker", [&t] { t.run(); });
      s.thread("waiter", [&st] {
        st.l.wait();
        st.check_done(2);
      });
      s.thread("counter", [&st] { st.arrive(1); });
    },
    explored::schedules_of_three());

twice const task_cancelled(
    "latch", "a task cancelled beside the last count_down",
    [](scenario& s) {
      auto& st = s.make<state>(2);
      auto& passed = s.make<counted>();
      auto& t = s.make<explored::one_task>(arrive_in_task(st, passed));
      s.thread("worker", [&t] { t.run(); });
      s.thread("counter", [&st] { st.arrive(1); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check((passed.get() == 1) != t.was_cancelled(), "neither passed nor cancelled, or both");
        if (!t.was_cancelled()) s.check(st.l.try_wait(), "passed a latch that was not open");
        if (!st.l.try_wait()) st.l.count_down();  // cancelled before it counted
        s.check(st.l.try_wait(), "the count was lost");
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("latch: every schedule") { explored::run("latch"); }
