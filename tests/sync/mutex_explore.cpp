// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/mutex.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

struct state {
  concur::mutex m;
  counted inside;
  counted locked;  // times, under the mutex

  void enter() {
    inside.add();
    locked.add();
    inside.add(-1);
  }
  void lock_once() {
    m.lock();
    enter();
    m.unlock();
  }
};

void require_free(scenario& s, state& st, int times) {
  s.finally([&s, &st, times] {
    s.check(st.locked.get() == times, "a party entered too often or too seldom");
    s.check(st.m.try_lock(), "the mutex was left locked");
    st.m.unlock();
  });
}

twice const two_twice("mutex", "two threads lock twice", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.lock_once(), st.lock_once(); });
  require_free(s, st, 4);
});

twice const three("mutex", "three threads lock", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second", "third"}) s.thread(name, [&st] { st.lock_once(); });
  require_free(s, st, 3);
});

// An hour passes: the thread that waits is too old to be overtaken and is handed the mutex.
explored::registration const aged(
    "mutex", "hand-over to one who has waited long",
    [](scenario& s) {
      auto& st = s.make<state>();
      s.thread("first", [&st] { st.lock_once(), st.lock_once(); });
      s.thread("second", [&st] { st.lock_once(); });
      s.thread("third", [&st] { st.lock_once(); });
      require_free(s, st, 4);
    },
    {.preemptions = 2, .timeouts = 0, .spurious = 0, .weak_failures = 0, .clock_jumps = 2, .stale_reads = 0});

twice const timed("mutex", "timed beside untimed", [](scenario& s) {
  auto& st = s.make<state>();
  auto& gave_up = s.make<counted>();
  s.thread("timed", [&] {
    if (st.m.try_lock_for(1ms)) {
      st.enter();
      st.m.unlock();
    } else {
      gave_up.add();
    }
  });
  s.thread("first", [&st] { st.lock_once(); });
  s.thread("second", [&st] { st.lock_once(); });
  s.finally([&] {
    s.check(st.locked.get() + gave_up.get() == 3, "a party entered too often or too seldom");
    s.check(st.m.try_lock(), "the mutex was left locked");
    st.m.unlock();
  });
});

twice const mixed("mutex", "try_lock beside lock", [](scenario& s) {
  auto& st = s.make<state>();
  auto& refused = s.make<counted>();
  s.thread("try", [&] {
    if (st.m.try_lock()) {
      st.enter();
      st.m.unlock();
    } else {
      refused.add();
    }
  });
  s.thread("first", [&st] { st.lock_once(); });
  s.thread("second", [&st] { st.lock_once(); });
  s.finally([&] {
    s.check(st.locked.get() + refused.get() == 3, "a party entered too often or too seldom");
    s.check(st.m.try_lock(), "the mutex was left locked");
    st.m.unlock();
  });
});

twice const stopped("mutex", "a stop beside the unlock", [](scenario& s) {
  auto& st = s.make<state>();
  auto& stop = s.make<concur::os::stop_source>();
  auto& gave_up = s.make<counted>();
  s.thread("waiter", [&] {
    if (st.m.lock(stop.get_token())) {
      st.enter();
      st.m.unlock();
    } else {
      gave_up.add();
    }
  });
  s.thread("holder", [&st] { st.lock_once(); });
  s.thread("stopper", [&stop] { stop.request_stop(); });
  s.finally([&] {
    s.check(st.locked.get() + gave_up.get() == 2, "a party entered too often or too seldom");
    s.check(st.m.try_lock(), "the mutex was left locked");
    st.m.unlock();
  });
});

twice const destroyed("mutex", "destroyed by the last to unlock", [](scenario& s) {
  struct shared {
    destructible<concur::mutex> m;
    counted users;
  };
  auto& st = s.make<shared>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.m->lock();
      st.users.add();
      bool const last = st.users.get() == 2;
      st.m->unlock();
      if (last) st.m.destroy();
    });
  }
});

support::test_task<> lock_in_task(state& st) {
  int const times = 1;
  auto const lock = co_await st.m.async_lock();
  st.inside.add(times);
  st.locked.add();
  st.inside.add(-times);
}

twice const task("mutex", "a task beside a thread", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<explored::one_task>(lock_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("thread", [&st] { st.lock_once(), st.lock_once(); });
  require_free(s, st, 3);
});

twice const task_cancelled(
    "mutex", "a task cancelled beside the unlock",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(lock_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("holder", [&st] { st.lock_once(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check(st.locked.get() == (t.was_cancelled() ? 1 : 2), "a party entered too often or too seldom");
        s.check(st.m.try_lock(), "the mutex was left locked");
        st.m.unlock();
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("mutex: every schedule") { explored::run("mutex"); }
