// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

using lock_type = std::unique_lock<concur::mutex>;

struct state {
  concur::mutex m;
  concur::condition c;
  counted items;
  counted waiting;
  concur::event both_wait;  // as soon as the mutex is free

  void arrive() {
    waiting.add();
    if (waiting.get() == 2) both_wait.set();
  }
  void put() {
    lock_type const lock(m);
    items.add();
    c.notify_one();
  }
  void get() {
    lock_type lock(m);
    c.wait(lock, [this] { return items.get() > 0; });
    items.add(-1);
  }
};

void require_empty(scenario& s, state& st) {
  s.finally([&] { s.check(st.items.get() == 0, "an item was lost or made up"); });
}

twice const two("condition", "two wait, two notifies", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.get(); });
  s.thread("giver", [&st] { st.put(), st.put(); });
  require_empty(s, st);
});

twice const outside("condition", "notified after the unlock", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("waiter", [&st] { st.get(); });
  s.thread("giver", [&st] {
    st.m.lock();
    st.items.add();
    st.m.unlock();
    st.c.notify_one();
  });
  require_empty(s, st);
});

twice const all("condition", "two wait, one notify_all", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.get(); });
  s.thread("giver", [&st] {
    lock_type const lock(st.m);
    st.items.add(2);
    st.c.notify_all();
  });
  require_empty(s, st);
});

// A wait without predicate ends only by a notify: both waiters are in the list when the first notify comes, and each
// of two notifies lets one of them go.
twice const exact("condition", "notify lets exactly so many go", [](scenario& s) {
  auto& st = s.make<state>();
  auto& gone = s.make<counted>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&] {
      lock_type lock(st.m);
      st.arrive();
      st.c.wait(lock);
      gone.add();
    });
  }
  s.thread("notifier", [&] {
    st.both_wait.wait();
    s.check(st.waiting.get() == 2, "the event came too soon");
    st.m.lock();
    st.c.notify(1);
    st.m.unlock();
    st.m.lock();
    s.check(gone.get() <= 1, "a party woke without a notify");
    st.c.notify(1);
    st.m.unlock();
  });
  s.finally([&] { s.check(gone.get() == 2, "a notify was lost"); });
});

explored::registration const timed(
    "condition", "timed beside untimed",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("timed", [&] {
        lock_type lock(st.m);
        (void)st.c.wait_for(lock, 1ms, [&] { return st.items.get() > 0; });
        st.waiting.add();  // races unless the lock is held
      });
      s.thread("untimed", [&st] { st.get(); });
      s.thread("giver", [&st] {
        lock_type const lock(st.m);
        st.waiting.add();
        st.items.add();
        st.c.notify_all();
      });
      require_empty(s, st);
    },
    explored::schedules_of_three());

twice const timed_alone("condition", "timed beside a notify", [](scenario& s) {
  auto& st = s.make<state>();
  s.thread("timed", [&] {
    lock_type lock(st.m);
    if (st.c.wait_for(lock, 1ms)) s.check(st.items.get() == 1, "a party woke without a notify");
    s.check(lock.owns_lock(), "the wait returned without the lock");
    st.waiting.add();  // races unless the lock is held
  });
  s.thread("giver", [&st] { st.put(); });
});

// A notify goes to a party that still waits: if the timed one says it was not notified, the other one was.
explored::registration const not_wasted(
    "condition", "a notify is not wasted on a party whose time is up",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("timed", [&] {
        lock_type lock(st.m);
        st.arrive();
        if (st.c.wait_for(lock, 1ms)) st.c.notify_one();
      });
      s.thread("untimed", [&] {
        lock_type lock(st.m);
        st.arrive();
        st.c.wait(lock);
      });
      s.thread("notifier", [&] {
        st.both_wait.wait();
        lock_type const lock(st.m);
        st.c.notify_one();
      });
    },
    {.preemptions = 1, .timeouts = 1, .spurious = 0, .weak_failures = 0, .clock_jumps = 0, .stale_reads = 1});

twice const stopped("condition", "a stop beside the notify", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("waiter", [&] {
    lock_type lock(st.m);
    if (st.c.wait(lock, stop.get_token(), [&] { return st.items.get() > 0; })) st.items.add(-1);
    s.check(lock.owns_lock(), "the wait returned without the lock");
    st.waiting.add();  // races unless the lock is held
  });
  s.thread("giver", [&st] {
    lock_type const lock(st.m);
    st.waiting.add();
    st.items.add();
    st.c.notify_one();
  });
  s.thread("stopper", [&stop] { stop.request_stop(); });
});

twice const destroyed("condition", "destroyed by the party that waited", [](scenario& s) {
  struct shared {
    concur::mutex m;
    destructible<concur::condition> c;
    counted ready;
  };
  auto& st = s.make<shared>();
  s.thread("waiter", [&] {
    lock_type lock(st.m);
    st.c->wait(lock, [&] { return st.ready.get() != 0; });
    st.c.destroy();
  });
  s.thread("notifier", [&] {
    lock_type const lock(st.m);
    st.ready.add();
    st.c->notify_all();
  });
});

support::test_task<> get_in_task(state& st, counted& left_with_lock) {
  auto lock = co_await st.m.async_lock();
  auto const present = [&st] { return st.items.get() > 0; };
  try {
    co_await st.c.async_wait(lock, present);
    st.items.add(-1);
  } catch (concur::cancelled const&) {
    left_with_lock.add(lock.owns_lock() ? 1 : 0);
  }
  st.waiting.add();  // races unless the lock is held
}

twice const task("condition", "a task beside a notify", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<explored::one_task>(get_in_task(st, s.make<counted>()));
  s.thread("worker", [&t] { t.run(); });
  s.thread("giver", [&st] { st.put(); });
  require_empty(s, st);
});

explored::registration const task_cancelled(
    "condition", "a task cancelled beside the notify",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& left = s.make<counted>();
      auto& t = s.make<explored::one_task>(get_in_task(st, left));
      s.thread("worker", [&t] { t.run(); });
      s.thread("giver", [&st] { st.put(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
    // Cancelled while it waited for the mutex, or for the notify, or not at all.
        int const ended = (t.was_cancelled() ? 1 : 0) + left.get() + (1 - st.items.get());
        s.check(ended == 1, "the task ended in no way, or in two");
        s.check(st.m.try_lock(), "the mutex was left locked");
        st.m.unlock();
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("condition: every schedule") { explored::run("condition"); }
