// SPDX-License-Identifier: BSL-1.0
//
// The threads under test are started inside the execution by concur::thread itself, beside those of the scenario.
#include <concur/sync/event.hpp>
#include <concur/thread/thread.hpp>

#include "support/explored_task.hpp"

#include <chrono>
#include <optional>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::destructible;
using explored::testing::scenario;
using explored::twice;

twice const start_and_join("thread", "start and join", [](scenario& s) {
  auto& before = s.make<counted>();
  auto& during = s.make<counted>();
  s.thread("owner", [&] {
    before.add();
    concur::thread t([&] { during.add(before.get()); });
    t.join();
    s.check(during.get() == 1, "not visible after the join");
    t.join();
  });
});

twice const two_starts("thread", "two owners start and join", [](scenario& s) {
  auto& first = s.make<counted>();
  auto& second = s.make<counted>();
  auto const own = [&s](counted& mine) {
    mine.add();
    concur::thread t([&mine] { mine.add(); });
    t.join();
    s.check(mine.get() == 2, "not visible after the join");
  };
  s.thread("first", [&, own] { own(first); });
  s.thread("second", [&, own] { own(second); });
});

twice const two_joiners("thread", "two joiners", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  for (auto const* name : {"first", "second"}) {
    s.thread(name, [&] {
      t.join();
      s.check(work.get() == 1, "not visible after the join");
      s.check(!t.alive(), "alive after the join");
    });
  }
});

// Whoever is not told would wait for ever.
twice const each_other("thread", "two that join each other", [](scenario& s) {
  auto& first = s.make<std::optional<concur::thread>>();
  auto& second = s.make<std::optional<concur::thread>>();
  auto& made = s.make<concur::event>();
  auto& told = s.make<concur::os::atomic<int>>(0);
  s.thread("owner", [&] {
    auto const wait_for = [&](std::optional<concur::thread>& other) {
      made.wait();
      try {
        other->join();
      } catch (concur::misuse const&) {
        told.fetch_add(1, std::memory_order_relaxed);
      }
    };
    first.emplace([&] { wait_for(second); });
    second.emplace([&] { wait_for(first); });
    made.set();
    first->join();
    second->join();
    s.check(told.load(std::memory_order_relaxed) >= 1, "nobody was told");
  });
});

twice const limited("thread", "try_join_for beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  s.thread("joiner", [&] {
    if (!t.try_join_for(1ms)) t.join();
    s.check(work.get() == 1, "not visible after the join");
  });
});

twice const limited_beside_unlimited("thread", "try_join_for beside join", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  s.thread("limited", [&] {
    if (t.try_join_for(1ms)) s.check(work.get() == 1, "not visible after the join");
  });
  s.thread("unlimited", [&] {
    t.join();
    s.check(work.get() == 1, "not visible after the join");
  });
});

twice const asked("thread", "alive beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  s.thread("asks", [&] {
    if (!t.alive()) s.check(work.get() == 1, "ended, but what it did is not visible");
  });
});

twice const stop_request("thread", "a stop request beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& t = s.make<concur::thread>([&](concur::os::stop_token const& stop) {
    if (!stop.stop_requested()) work.add();
  });
  s.thread("stopper", [&] { t.request_stop(); });
  s.thread("joiner", [&] {
    t.join();
    s.check(work.get() <= 1, "not visible after the join");
  });
});

twice const stopped_join("thread", "a join that is stopped beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& stop = s.make<concur::os::stop_source>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  s.thread("joiner", [&] {
    if (!t.join(stop.get_token())) t.join();
    s.check(work.get() == 1, "not visible after the join");
  });
  s.thread("stopper", [&] { stop.request_stop(); });
});

twice const destructor("thread", "the destructor beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  s.thread("owner", [&] {
    {
      concur::thread const t([&](concur::os::stop_token const&) { work.add(); });
    }
    s.check(work.get() == 1, "not visible after the destructor");
  });
});

twice const waits_for_its_stop("thread", "the destructor ends what waits for a stop", [](scenario& s) {
  auto& never_set = s.make<concur::event>();
  auto& work = s.make<counted>();
  s.thread("owner", [&] {
    {
      concur::thread const t([&](concur::os::stop_token const& stop) {
        s.check(!never_set.wait(stop), "an event that nobody has set");
        work.add();
      });
    }
    s.check(work.get() == 1, "not visible after the destructor");
  });
});

twice const replaced("thread", "move assignment beside the end", [](scenario& s) {
  auto& first = s.make<counted>();
  auto& second = s.make<counted>();
  s.thread("owner", [&] {
    concur::thread t([&] { first.add(); });
    t = concur::thread([&] { second.add(); });
    s.check(first.get() == 1, "what the first did is not visible after the assignment");
    t.join();
    s.check(second.get() == 1, "what the second did is not visible after the join");
  });
});

// What the state holds goes with the last of the two, which the explorer's marks of life and the address sanitizer see.
twice const daemon("thread", "a daemon dropped beside its end", [](scenario& s) {
  auto& work = s.make<counted>();
  s.thread("owner", [&] { concur::thread const t(concur::thread_options().daemon(), [&] { work.add(); }); });
  s.finally([&] { s.check(work.get() == 1, "the daemon has not done its work"); });
});

twice const joined_daemon("thread", "a daemon joined with a limit, then dropped", [](scenario& s) {
  auto& work = s.make<counted>();
  s.thread("owner", [&] {
    concur::thread t(concur::thread_options().daemon(), [&] { work.add(); });
    if (t.try_join_for(1ms)) s.check(work.get() == 1, "not visible after the join");
  });
});

twice const own_object("thread", "destroyed by itself", [](scenario& s) {
  auto& made = s.make<concur::event>();
  auto& object = s.make<std::optional<concur::thread>>();
  auto& work = s.make<counted>();
  s.thread("owner", [&] {
    object.emplace([&] {
      made.wait();
      object.reset();
      work.add();
    });
    made.set();
  });
  s.finally([&] { s.check(work.get() == 1, "it did not go on alone"); });
});

support::test_task<> join_in_task(concur::thread& t, counted& work, counted& joined, scenario& s) {
  int const one = 1;
  co_await t.async_join();
  s.check(work.get() == one, "not visible after the join");
  joined.add();
}

twice const task("thread", "a task joins beside the end", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& joined = s.make<counted>();
  auto& t = s.make<concur::thread>([&] { work.add(); });
  auto& joiner = s.make<explored::one_task>(join_in_task(t, work, joined, s));
  s.thread("worker", [&] { joiner.run(); });
  s.finally([&] { s.check(joined.get() == 1, "the task has not joined"); });
});

twice const task_beside_thread(
    "thread", "a task joins beside a thread",
    [](scenario& s) {
      auto& work = s.make<counted>();
      auto& joined = s.make<counted>();
      auto& t = s.make<concur::thread>([&] { work.add(); });
      auto& joiner = s.make<explored::one_task>(join_in_task(t, work, joined, s));
      s.thread("worker", [&] { joiner.run(); });
      s.thread("joiner", [&] { t.join(); });
      s.finally([&] { s.check(joined.get() == 1, "the task has not joined"); });
    },
    explored::schedules_of_three());

twice const task_cancelled(
    "thread", "a task that joins is cancelled beside the end",
    [](scenario& s) {
      auto& work = s.make<counted>();
      auto& joined = s.make<counted>();
      auto& t = s.make<concur::thread>([&] { work.add(); });
      auto& joiner = s.make<explored::one_task>(join_in_task(t, work, joined, s));
      s.thread("worker", [&] { joiner.run(); });
      s.thread("canceller", [&] { joiner.cancel(); });
      s.finally(
          [&] { s.check((joined.get() == 1) != joiner.was_cancelled(), "neither joined nor cancelled, or both"); });
    },
    explored::schedules_of_three());

// The object may go before the coroutine that waits for the thread has gone on.
twice const task_and_dropped("thread", "a task joins a daemon whose object is dropped", [](scenario& s) {
  auto& work = s.make<counted>();
  auto& joined = s.make<counted>();
  auto& go = s.make<concur::event>();
  auto& t = s.make<destructible<concur::thread>>(concur::thread_options().daemon(), [&] {
    go.wait();
    work.add();
  });
  auto& joiner = s.make<explored::one_task>(join_in_task(*t, work, joined, s));
  s.thread("worker", [&] { joiner.run(); });
  s.finally([&] { s.check(joined.get() == 1, "the task has not joined"); });
  go.set();
});

}  // namespace

TEST_CASE("thread: every schedule") { explored::run("thread"); }
