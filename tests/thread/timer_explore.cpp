// SPDX-License-Identifier: BSL-1.0
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/sync/event.hpp>
#include <concur/thread/timer.hpp>

#include "support/bounded.hpp"

#include <chrono>
#include <optional>

namespace {

using namespace std::chrono_literals;
using explored::counted;
using explored::testing::scenario;
using explored::twice;

twice const cancelled("timer", "a cancel beside the due moment", [](scenario& s) {
  auto& calls = s.make<counted>();
  s.thread("owner", [&] {
    concur::timer t(1ms, [&] { calls.add(); });
    bool const was_cancelled = t.cancel();
    t.join();
    s.check(calls.get() + int(was_cancelled) == 1, "neither called nor cancelled, or both");
    s.check(!t.pending() && !t.cancel(), "pending after its end");
  });
});

twice const two_cancel(
    "timer", "two cancel beside the due moment",
    [](scenario& s) {
      auto& calls = s.make<counted>();
      auto& t = s.make<concur::timer>(1ms, [&] { calls.add(); });
      auto& first = s.make<counted>();
      auto& second = s.make<counted>();
      s.thread("first", [&] { first.add(int(t.cancel())); });
      s.thread("second", [&] { second.add(int(t.cancel())); });
      s.finally([&] {
        t.join();
        s.check(calls.get() + first.get() + second.get() == 1, "not exactly one call or cancel");
      });
    },
    explored::schedules_of_three());

twice const destroyed("timer", "destroyed beside the call", [](scenario& s) {
  auto& calls = s.make<counted>();
  s.thread("owner", [&] {
    {
      concur::timer const t(1ms, [&] { calls.add(); });
    }
    s.check(calls.get() <= 1, "called twice");
    calls.add();  // a race if the call is still under way
  });
});

twice const at_once("timer", "one without a delay is cancelled", [](scenario& s) {
  auto& calls = s.make<counted>();
  s.thread("owner", [&] {
    concur::timer t(0ms, [&] { calls.add(); });
    bool const was_cancelled = t.cancel();
    t.join();
    s.check(calls.get() + int(was_cancelled) == 1, "neither called nor cancelled, or both");
  });
});

twice const periodic("timer", "a periodic one is cancelled beside its call", [](scenario& s) {
  auto& calls = s.make<counted>();
  s.thread("owner", [&] {
    auto t = concur::timer::every(1ms, [&] { calls.add(); });
    s.check(t.cancel(), "a periodic timer is always cancelled");
    s.check(!t.cancel(), "cancelled twice");
    t.join();
    calls.add();  // a race if a call is still under way
  });
});

twice const periodic_itself("timer", "a periodic one cancels itself", [](scenario& s) {
  struct shared {
    std::optional<concur::timer> t;
    concur::event made;
    counted calls;
  };
  auto& st = s.make<shared>();
  s.thread("owner", [&] {
    st.t.emplace(concur::timer::every(1ms, [&] {
      st.made.wait();
      st.calls.add();
      s.check(st.t->cancel(), "cancelled by somebody else");
    }));
    st.made.set();
    st.t->join();
    s.check(st.calls.get() == 1, "called after its cancel");
  });
});

// In virtual time, which passes only while all sleep: calls come on the beat, also after one that took two and a half
// periods.
twice const keeps_its_beat("timer", "a periodic one keeps its beat and leaves out what it missed", [](scenario& s) {
  struct shared {
    std::optional<concur::timer> t;
    concur::event made;
    counted calls;
    concur::time_point begin;
  };
  auto& st = s.make<shared>();
  s.thread("owner", [&] {
    st.begin = concur::os::clock::now();
    st.t.emplace(concur::timer::every(1ms, [&] {
      st.made.wait();
      auto const late = concur::os::clock::now() - st.begin;
      st.calls.add();
      auto const beat = st.calls.get() == 1 ? 1ms : st.calls.get() == 2 ? 4ms : 5ms;
      s.check(late >= beat && late < beat + 10us, "not on the beat");
      if (st.calls.get() == 1) concur::sleep_within({.deadline = concur::deadline_after(2500us)});
      if (st.calls.get() == 3) st.t->cancel();
    }));
    st.made.set();
    st.t->join();
    s.check(st.calls.get() == 3, "not called three times");
  });
});

twice const dropped_by_itself("timer", "destroyed by its own call", [](scenario& s) {
  struct shared {
    std::optional<concur::timer> t;
    concur::event made;
    counted calls;
  };
  auto& st = s.make<shared>();
  s.thread("owner", [&] {
    st.t.emplace(0ms, [&] {
      st.made.wait();
      st.t.reset();
      st.calls.add();
    });
    st.made.set();
  });
  s.finally([&] { s.check(st.calls.get() == 1, "the call did not go on"); });
});

// What timers and this_thread::sleep_for are made of.
twice const sleep("timer", "a sleep beside its stop", [](scenario& s) {
  auto& stop = s.make<concur::os::stop_source>();
  auto& before_stop = s.make<counted>();
  s.thread("sleeper", [&] {
    auto const token = stop.get_token();
    if (concur::sleep_within({.deadline = concur::deadline_after(1ms), .stop = &token})) return;
    s.check(before_stop.get() == 1, "stopped, but what happened before is not visible");
  });
  s.thread("stopper", [&] {
    before_stop.add();
    s.check(stop.request_stop(), "the first request");
  });
});

}  // namespace

TEST_CASE("timer: every schedule") { explored::run("timer"); }
