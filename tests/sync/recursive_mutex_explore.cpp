// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/recursive_mutex.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <mutex>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::schedules_of_three;
using explored::testing::scenario;
using explored::twice;

struct state {
  concur::recursive_mutex m;
  counted locked;  // times, under the mutex

  void lock_nested() {
    m.lock();
    locked.add();
    m.lock();
    locked.add();
    m.unlock();
    locked.add();  // still alone
    m.unlock();
  }
  bool nested_if(bool taken) {
    if (!taken) return false;
    lock_nested();
    locked.add();
    m.unlock();
    return true;
  }
};

void require_free_after(scenario& s, state& st, int times) {
  s.finally([&s, &st, times] {
    s.check(st.locked.get() == times, "a party entered too often or too seldom");
    s.check(st.m.try_lock(), "the mutex was left locked");
    st.m.unlock();
  });
}

twice const two_twice("recursive_mutex", "two threads lock twice, each time nested", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second"}) s.thread(name, [&st] { st.lock_nested(), st.lock_nested(); });
  require_free_after(s, st, 12);
});

twice const three("recursive_mutex", "three threads lock nested", [](scenario& s) {
  auto& st = s.make<state>();
  for (auto const* name : {"first", "second", "third"}) s.thread(name, [&st] { st.lock_nested(); });
  require_free_after(s, st, 9);
});

twice const mixed(
    "recursive_mutex", "try_lock and a limit beside lock",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& took = s.make<counted>();
      auto& took_in_time = s.make<counted>();
      s.thread("try", [&] { took.add(st.nested_if(st.m.try_lock())); });
      s.thread("timed", [&] { took_in_time.add(st.nested_if(st.m.try_lock_for(1ms))); });
      s.thread("locker", [&st] { st.lock_nested(); });
      s.finally([&] {
        s.check(st.locked.get() == 3 + 4 * (took.get() + took_in_time.get()),
                "a party entered too often or too seldom");
        s.check(st.m.try_lock(), "the mutex was left locked");
        st.m.unlock();
      });
    },
    schedules_of_three());

twice const destroyed("recursive_mutex", "destroyed by the last to unlock", [](scenario& s) {
  struct shared {
    destructible<concur::recursive_mutex> m;
    counted users;
  };
  auto& st = s.make<shared>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&st] {
      st.m->lock();
      st.m->lock();
      st.users.add();
      bool const last = st.users.get() == 2;
      st.m->unlock();
      st.m->unlock();
      if (last) st.m.destroy();
    });
  }
});

support::test_task<> lock_nested_in_task(state& st) {
  int const one = 1;
  auto const lock = co_await st.m.async_lock();
  st.locked.add(one);
  auto const again = co_await st.m.async_lock();
  st.lock_nested();
}

twice const task("recursive_mutex", "a task beside a thread, both nested", [](scenario& s) {
  auto& st = s.make<state>();
  auto& t = s.make<explored::one_task>(lock_nested_in_task(st));
  s.thread("worker", [&t] { t.run(); });
  s.thread("thread", [&st] { st.lock_nested(), st.lock_nested(); });
  require_free_after(s, st, 10);
});

// The coroutine starts on one thread and may be resumed on the other, which both lock beside it: it is no part of
// either.
twice const hopping_task("recursive_mutex", "a task that moves to another thread beside locks of both",
                         [](scenario& s) {
                           auto& st = s.make<state>();
                           auto& t = s.make<explored::one_task>(lock_nested_in_task(st));
                           s.thread("first", [&] {
                             t.run_first_half();
                             st.lock_nested();
                           });
                           s.thread("second", [&] {
                             st.lock_nested();
                             t.run_second_half();
                           });
                           require_free_after(s, st, 10);
                         });

twice const task_cancelled(
    "recursive_mutex", "a task cancelled beside the unlock",
    [](scenario& s) {
      auto& st = s.make<state>();
      auto& t = s.make<explored::one_task>(lock_nested_in_task(st));
      s.thread("worker", [&t] { t.run(); });
      s.thread("holder", [&st] { st.lock_nested(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        // Before the first lock, between the two, or too late.
        int const by_task = st.locked.get() - 3;
        s.check(by_task == (t.was_cancelled() ? by_task == 0 ? 0 : 1 : 4), "a party entered too often or too seldom");
        s.check(st.m.try_lock(), "the mutex was left locked");
        st.m.unlock();
      });
    },
    schedules_of_three());

}  // namespace

TEST_CASE("recursive_mutex: every schedule") { explored::run("recursive_mutex"); }
