// SPDX-License-Identifier: BSL-1.0
//
// An event loop and the threads that post to it. It sleeps on its futex here: what epoll does is outside the machine
// that the explorer stands in for.
#include <concur/loop/event_loop.hpp>

#include "support/bounded.hpp"

#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace {

using concur::event_loop;
using concur::work;
using concur::detail::loop_inbox;
using concur::detail::ready_queue;
using explored::counted;
using explored::twice;
using explored::testing::check;
using explored::testing::scenario;

// Counts its runs.
class counts : public work {
 public:
  explicit counts(counted& runs) noexcept
      : work([](work& self) noexcept { static_cast<counts&>(self).runs_.add(); }), runs_(runs) {}

 private:
  counted& runs_;
};

// Ends the loop that runs it.
class ends : public work {
 public:
  ends() noexcept : work([](work&) noexcept { event_loop::current()->stop(); }) {}
};

twice const post_beside_sleep("loop", "a post beside a loop that falls asleep", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& before = s.make<counted>();
  auto& item = s.make<counts>(runs);
  s.thread("loop", [&] {
    loop.run_until([&] { return runs.get() == 1; });
    check(before.get() == 1, "what came before the post is not visible to the item");
  });
  s.thread("poster", [&] {
    before.add();
    loop.post(item);
  });
});

twice const two_posters("loop", "two posters", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& first = s.make<counts>(runs);
  auto& second = s.make<counts>(runs);
  s.thread("loop", [&] { loop.run_until([&] { return runs.get() == 2; }); });
  s.thread("poster", [&] { loop.post(first); });
  s.thread("another", [&] { loop.post(second); });
});

twice const in_order("loop", "two posts of one thread", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& first = s.make<counts>(runs);
  auto& last = s.make<ends>();
  s.thread("loop", [&] {
    loop.run_forever();
    check(runs.get() == 1, "the second post overtook the first");
  });
  s.thread("poster", [&] {
    loop.post(first);
    loop.post(last);
  });
});

// The loop's run ends, and then its life, while the poster of what ended it is still in its call.
twice const last_wake("loop", "the last wake beside the destructor", [](scenario& s) {
  auto& loop = s.make<std::optional<event_loop>>(std::in_place);
  auto& item = s.make<ends>();
  s.thread("loop", [&] {
    loop->run_forever();
    loop.reset();
  });
  s.thread("poster", [&] { loop->post(item); });
});

twice const last_of_two(
    "loop", "two posters, the second of which ends the loop",
    [](scenario& s) {
      auto& loop = s.make<std::optional<event_loop>>(std::in_place);
      auto& runs = s.make<counted>();
      auto& first = s.make<counts>(runs);
      auto& second = s.make<counts>(runs);
      s.thread("loop", [&] {
        loop->run_until([&] { return runs.get() == 2; });
        loop.reset();
      });
      s.thread("poster", [&] { loop->post(first); });
      s.thread("another", [&] { loop->post(second); });
    },
    explored::schedules_of_three());

// A stop may find that of another under way: then that one has to show what came before both.
twice const stopped_by_two("loop", "run until two have stopped it", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& left = s.make<concur::os::atomic<int>>(2);
  s.thread("loop", [&] {
    while (left.load(std::memory_order_relaxed) != 0) loop.run_forever();
  });
  for (auto const* name : {"stopper", "another"}) {
    s.thread(name, [&] {
      left.fetch_sub(1, std::memory_order_relaxed);
      loop.stop();
    });
  }
});

twice const stopped("loop", "stop beside a loop that falls asleep, and its destructor", [](scenario& s) {
  auto& loop = s.make<std::optional<event_loop>>(std::in_place);
  s.thread("loop", [&] {
    loop->run_forever();
    loop.reset();
  });
  s.thread("stopper", [&] { loop->stop(); });
});

twice const stop_behind_post("loop", "a stop behind a post", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& item = s.make<counts>(runs);
  s.thread("loop", [&] {
    loop.run_forever();
    check(runs.get() == 1, "what was ready did not run before the stop");
  });
  s.thread("stopper", [&] {
    loop.post(item);
    loop.stop();
  });
});

twice const stopped_twice("loop", "two stops, and two runs", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& stopped_once = s.make<concur::event>();
  s.thread("loop", [&] {
    loop.run_forever();
    stopped_once.set();
    loop.run_forever();
  });
  s.thread("stopper", [&] {
    loop.stop();
    stopped_once.wait();
    loop.stop();
  });
});

// One block serves two loops in turn; a poster to the first is late.
void serve(loop_inbox& inbox, counted& runs, int until) {
  ready_queue ready;
  while (runs.get() < until) {
    inbox.take_into(ready);
    if (ready.empty()) inbox.sleep(concur::os::never);
    for (work* each = ready.take_all(); each != nullptr;) {
      work* const next = each->next();
      each->run();
      each = next;
    }
  }
}

twice const late(
    "loop", "a poster that is late while the inbox serves another loop",
    [](scenario& s) {
      auto& inbox = s.make<loop_inbox>();
      auto& runs = s.make<counted>();
      auto& more_runs = s.make<counted>();
      auto& first = s.make<counts>(runs);
      auto& second = s.make<counts>(more_runs);
      auto& changed = s.make<concur::event>();
      s.thread("loop", [&] {
        serve(inbox, runs, 1);
        changed.set();
        serve(inbox, more_runs, 1);
      });
      s.thread("late", [&] { check(inbox.post(first), "refused"); });
      s.thread("poster", [&] {
        changed.wait();
        check(inbox.post(second), "refused");
      });
    },
    explored::schedules_of_three());

twice const signalled("loop", "a signal beside a loop that falls asleep", [](scenario& s) {
  auto& inbox = s.make<loop_inbox>();
  auto& before = s.make<counted>();
  s.thread("loop", [&] {
    std::uint64_t seen = 0;
    while ((seen = inbox.take_signals()) == 0) inbox.sleep(concur::os::never);
    check(seen == 4 && before.get() == 1, "another signal, or what came before it is not visible");
  });
  s.thread("signalled", [&] {
    before.add();
    inbox.signal(3);
  });
});

twice const signal_beside_post(
    "loop", "a signal beside a post",
    [](scenario& s) {
      auto& inbox = s.make<loop_inbox>();
      auto& runs = s.make<counted>();
      auto& item = s.make<counts>(runs);
      s.thread("loop", [&] {
        ready_queue ready;
        std::uint64_t seen = 0;
        while (seen == 0 || ready.empty()) {
          seen |= inbox.take_signals();
          inbox.take_into(ready);
          if (seen == 0 || ready.empty()) inbox.sleep(concur::os::never);
        }
        ready.take_all()->run();
      });
      s.thread("signalled", [&] { inbox.signal(1); });
      s.thread("poster", [&] { check(inbox.post(item), "refused"); });
    },
    explored::schedules_of_three());

/// Counts its end.
class counts_end {
 public:
  explicit counts_end(counted& ends) noexcept : ends_(&ends) {}
  counts_end(counts_end&& other) noexcept : ends_(std::exchange(other.ends_, nullptr)) {}
  counts_end& operator=(counts_end&&) = delete;
  ~counts_end() {
    if (ends_ != nullptr) ends_->add();
  }

 private:
  counted* ends_;
};

twice const beside_close("loop", "a post of a function beside close", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& refused = s.make<counted>();
  auto& called = s.make<counted>();
  auto& ended = s.make<counted>();
  s.thread("closer", [&] { loop.close(); });
  s.thread("poster", [&] {
    try {
      loop.post([&called, end = counts_end(ended)] { called.add(); });
    } catch (concur::misuse const&) {
      refused.add();
    }
  });
  s.finally([&] {
    check(ended.get() == 1, "the function was forgotten");
    check(called.get() == 0 || refused.get() == 0, "refused and called");
  });
});

twice const stop_beside_close("loop", "a post behind a stop beside close", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& ended = s.make<counted>();
  s.thread("closer", [&] { loop.close(); });
  s.thread("stopper", [&] {
    loop.stop();
    try {
      loop.post([end = counts_end(ended)] {});
    } catch (concur::misuse const&) {
    }
  });
  s.finally([&] { check(ended.get() == 1, "the function was forgotten"); });
});

twice const with_timer("loop", "a post beside a loop that sleeps until a timer", [](scenario& s) {
  auto& loop = s.make<event_loop>();
  auto& runs = s.make<counted>();
  auto& item = s.make<counts>(runs);
  auto& due = s.make<counts>(runs);
  s.thread("loop", [&] {
    loop.arm(due, loop.now() + std::chrono::microseconds(1));
    loop.run_until([&] { return runs.get() == 2; });
  });
  s.thread("poster", [&] { loop.post(item); });
});

}  // namespace

TEST_CASE("event_loop: every schedule") { explored::run("loop"); }
