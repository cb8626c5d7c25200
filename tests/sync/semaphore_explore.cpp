// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/semaphore.hpp>

#include "support/explored_task.hpp"

#include <chrono>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

void require_permits(scenario& s, concur::semaphore& permits, std::size_t count) {
  s.finally([&s, &permits, count] { s.check(permits.available() == count, "a permit was lost or made up"); });
}

twice const two_releases("semaphore", "two wait, two releases", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  for (auto const* name : {"first", "second"}) s.thread(name, [&] { permits.acquire(); });
  s.thread("releaser", [&] { permits.release(), permits.release(); });
  require_permits(s, permits, 0);
});

twice const at_once("semaphore", "two wait, one release of three", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  for (auto const* name : {"first", "second"}) s.thread(name, [&] { permits.acquire(); });
  s.thread("releaser", [&] { permits.release(3); });
  require_permits(s, permits, 1);
});

twice const two_releasers("semaphore", "two wait, two release", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  s.thread("first", [&] { permits.acquire(), permits.acquire(); });
  for (auto const* name : {"one", "other"}) s.thread(name, [&] { permits.release(); });
  require_permits(s, permits, 0);
});

twice const as_a_lock("semaphore", "one permit as a lock", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(1u, 1u);
  auto& guarded = s.make<counted>();
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&] {
      permits.acquire();
      guarded.add();
      permits.release();
    });
  }
  s.finally([&] { s.check(guarded.get() == 2 && permits.available() == 1, "a permit was lost or made up"); });
});

twice const timed(
    "semaphore", "timed beside untimed",
    [](scenario& s) {
      auto& permits = s.make<concur::semaphore>(0u);
      s.thread("timed", [&] {
        if (permits.try_acquire_for(1ms)) permits.release();
      });
      s.thread("untimed", [&] { permits.acquire(); });
      s.thread("releaser", [&] { permits.release(); });
      require_permits(s, permits, 0);
    },
    explored::schedules_of_three());

twice const timed_alone("semaphore", "timed beside a release", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  auto& taken = s.make<counted>();
  s.thread("timed", [&] {
    if (permits.try_acquire_for(1ms)) taken.add();
  });
  s.thread("releaser", [&] { permits.release(); });
  s.finally([&] { s.check(permits.available() + std::size_t(taken.get()) == 1, "a permit was lost or made up"); });
});

twice const mixed("semaphore", "try_acquire beside acquire", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  s.thread("try", [&] {
    if (permits.try_acquire()) permits.release();
  });
  s.thread("waiter", [&] { permits.acquire(); });
  s.thread("releaser", [&] { permits.release(); });
  require_permits(s, permits, 0);
});

twice const never_spurious("semaphore", "try_acquire does not fail while there is a permit", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  s.thread("timed", [&] {
    if (permits.try_acquire_for(1ms)) permits.release();
  });
  s.thread("releaser", [&] {
    permits.release(2);
    // One for the timed party at the most, so one is here.
    s.check(permits.try_acquire(), "try_acquire failed although a permit was there");
  });
  require_permits(s, permits, 1);
});

twice const stopped("semaphore", "a stop beside the release", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u);
  auto& stop = s.make<concur::os::stop_source>();
  s.thread("waiter", [&] {
    if (permits.acquire(stop.get_token())) permits.release();
  });
  s.thread("releaser", [&] { permits.release(); });
  s.thread("stopper", [&] { stop.request_stop(); });
  require_permits(s, permits, 1);
});

twice const destroyed("semaphore", "destroyed by the party that waited", [](scenario& s) {
  auto& permits = s.make<destructible<concur::semaphore>>(std::size_t{0});
  s.thread("waiter", [&] {
    permits->acquire();
    permits.destroy();
  });
  s.thread("releaser", [&] { permits->release(); });
});

twice const bounded("semaphore", "released above its bound", [](scenario& s) {
  auto& permits = s.make<concur::semaphore>(0u, 1u);
  auto& refused = s.make<counted>();
  s.thread("waiter", [&] { permits.acquire(); });
  s.thread("releaser", [&] {
    try {
      permits.release(3);
    } catch (concur::misuse const&) {
      refused.add();
    }
    permits.release();
  });
  s.finally([&] { s.check(refused.get() == 1 && permits.available() == 0, "a refused release changed something"); });
});

support::test_task<> acquire_in_task(concur::semaphore& permits, counted& taken) {
  int const one = 1;
  co_await permits.async_acquire();
  taken.add(one);
}

twice const task(
    "semaphore", "a task beside a thread",
    [](scenario& s) {
      auto& permits = s.make<concur::semaphore>(0u);
      auto& t = s.make<explored::one_task>(acquire_in_task(permits, s.make<counted>()));
      s.thread("worker", [&t] { t.run(); });
      s.thread("thread", [&] { permits.acquire(); });
      s.thread("releaser", [&] { permits.release(2); });
      require_permits(s, permits, 0);
    },
    explored::schedules_of_three());

twice const task_cancelled(
    "semaphore", "a task cancelled beside the release",
    [](scenario& s) {
      auto& permits = s.make<concur::semaphore>(0u);
      auto& taken = s.make<counted>();
      auto& t = s.make<explored::one_task>(acquire_in_task(permits, taken));
      s.thread("worker", [&t] { t.run(); });
      s.thread("releaser", [&] { permits.release(); });
      s.thread("canceller", [&t] { t.cancel(); });
      s.finally([&] {
        s.check(permits.available() + std::size_t(taken.get()) == 1, "a permit was lost or made up");
        s.check((taken.get() == 1) != t.was_cancelled(), "neither taken nor cancelled, or both");
      });
    },
    explored::schedules_of_three());

}  // namespace

TEST_CASE("semaphore: every schedule") { explored::run("semaphore"); }
