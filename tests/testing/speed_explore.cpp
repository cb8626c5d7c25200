// SPDX-License-Identifier: BSL-1.0
//
// How fast executions follow each other: the design asks for 200,000 per second on one core, for two or three threads
// and up to 30 steps. The figures are printed; only what a busy or instrumented machine still reaches is required.
#include <concur/core/os.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"
#include "support/run_scenarios.hpp"

#include <cstdint>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;

/// Three threads add to one counter: 18 steps.
void counting(testing::scenario& s) {
  auto& count = s.make<os::atomic<int>>(0);
  auto const add = [&count] {
    for (int i = 0; i < 5; ++i) count.fetch_add(1, relaxed);
  };
  s.thread("first", add);
  s.thread("second", add);
  s.thread("third", add);
  s.finally([&count] { testing::check(count.load() == 15, "lost"); });
}

/// A futex lock around a plain counter, twice in each of two threads.
void locking(testing::scenario& s) {
  struct state {
    os::atomic<std::uint32_t> lock{0};
    os::plain<int> count{0};
  };
  auto& st = s.make<state>();
  auto const use = [&st] {
    for (int i = 0; i < 2; ++i) {
      std::uint32_t expected = 0;
      if (!st.lock.compare_exchange_strong(expected, 1, acquire)) {
        while (st.lock.exchange(2, acquire) != 0) os::futex_wait(st.lock, 2);
      }
      st.count.set(st.count.get() + 1);
      if (st.lock.exchange(0, release) == 2) os::futex_wake(&st.lock);
    }
  };
  s.thread("first", use);
  s.thread("second", use);
  s.finally([&st] { testing::check(st.count.get() == 4, "lost"); });
}

/// Two threads that read what the other may just have written: mostly decisions about old values.
void reading(testing::scenario& s) {
  struct state {
    os::atomic<int> x{0}, y{0};
  };
  auto& st = s.make<state>();
  s.thread("first", [&st] {
    for (int i = 1; i < 6; ++i) st.x.store(i, release), st.y.load(acquire);
  });
  s.thread("second", [&st] {
    for (int i = 1; i < 6; ++i) st.y.store(i, release), st.x.load(acquire);
  });
}

TEST_CASE("speed: executions per second") {
  struct {
    char const* name;
    void (*scenario)(testing::scenario&);
  } const all[] = {{"counting", counting}, {"locking", locking}, {"reading", reading}};
  for (auto const& [name, scenario] : all) {
    testing::options bounds;
    bounds.preemptions = 6;
    bounds.executions = 300'000;
    bounds.seconds = 2;
    auto const r = testing::explore(scenario, bounds);
    INFO(r);
    CHECK(r.passed);
    explored::report("speed", name, "exhaustive", r);
    bounds.strategy = testing::search::random;
    explored::report("speed", name, "random", testing::explore(scenario, bounds));
    bounds.strategy = testing::search::pct;
    explored::report("speed", name, "pct", testing::explore(scenario, bounds));
  }
}

}  // namespace
