// SPDX-License-Identifier: BSL-1.0
//
// The memory model against the litmus shapes of the literature: every outcome that C++20 forbids never appears, and
// every one that it allows appears, except where the explorer states a limit.
#include <concur/core/os.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"

#include <array>
#include <functional>
#include <set>
#include <vector>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;
using order = std::memory_order;

// Qualified: the standard's own would be found by the argument's type as well.
void fence(order o) { testing::engine::atomic_thread_fence(o); }

struct cells {
  os::atomic<int> x{0}, y{0};
  std::array<int, 4> r{};
};
using outcome = std::array<int, 4>;

/// All final values of r under all schedules.
std::set<outcome> outcomes(std::vector<std::function<void(cells&)>> const& threads) {
  std::set<outcome> seen;
  auto const result = testing::explore(
      [&](testing::scenario& s) {
        auto& c = s.make<cells>();
        for (auto const& f : threads) s.thread("thread", [&c, &f] { f(c); });
        s.finally([&c, &seen] { seen.insert(c.r); });
      },
      {.preemptions = 1000});
  INFO(result);
  REQUIRE(result.passed);
  REQUIRE(result.exhausted);
  return seen;
}

bool store_buffering(order store, order load, bool fences) {
  auto between = [fences] {
    if (fences) fence(seq_cst);
  };
  return outcomes({[=](cells& c) { c.x.store(1, store), between(), c.r[0] = c.y.load(load); },
                   [=](cells& c) { c.y.store(1, store), between(), c.r[1] = c.x.load(load); }})
      .contains({0, 0, 0, 0});
}

bool message_passing(order store, order load) {
  return outcomes({[=](cells& c) { c.x.store(1, relaxed), c.y.store(1, store); },
                   [=](cells& c) { c.r[0] = c.y.load(load), c.r[1] = c.x.load(relaxed); }})
      .contains({1, 0, 0, 0});
}

/// Do two readers disagree on the order of two writers?
bool independent_reads(order store, order load, bool fences) {
  auto between = [fences] {
    if (fences) fence(seq_cst);
  };
  return outcomes({[=](cells& c) { c.x.store(1, store); }, [=](cells& c) { c.y.store(1, store); },
                   [=](cells& c) { c.r[0] = c.x.load(load), between(), c.r[1] = c.y.load(load); },
                   [=](cells& c) { c.r[2] = c.y.load(load), between(), c.r[3] = c.x.load(load); }})
      .contains({1, 0, 1, 0});
}

bool asymmetric(bool light, bool heavy) {
  return outcomes({[=](cells& c) {
                     c.x.store(1, relaxed);
                     if (light) os::light_barrier();
                     c.r[0] = c.y.load(relaxed);
                   },
                   [=](cells& c) {
                     c.y.store(1, relaxed);
                     if (heavy) os::heavy_barrier();
                     c.r[1] = c.x.load(relaxed);
                   }})
      .contains({0, 0, 0, 0});
}

TEST_CASE("store buffering is forbidden to seq_cst accesses and fences only") {
  CHECK(store_buffering(release, acquire, false));
  CHECK(store_buffering(relaxed, relaxed, false));
  CHECK(store_buffering(seq_cst, acquire, false));
  CHECK(store_buffering(release, seq_cst, false));
  CHECK_FALSE(store_buffering(seq_cst, seq_cst, false));
  CHECK_FALSE(store_buffering(relaxed, relaxed, true));
}

TEST_CASE("store buffering with seq_cst read-modify-writes is forbidden, with acq_rel ones allowed") {
  auto const with = [](order o) {
    return outcomes({[=](cells& c) { c.x.exchange(1, o), c.r[0] = c.y.load(o == acq_rel ? acquire : o); },
                     [=](cells& c) { c.y.exchange(1, o), c.r[1] = c.x.load(o == acq_rel ? acquire : o); }})
        .contains({0, 0, 0, 0});
  };
  CHECK_FALSE(with(seq_cst));
  CHECK(with(acq_rel));
}

TEST_CASE("a fence on one side and seq_cst accesses on the other forbid store buffering") {
  auto const seen = outcomes({[](cells& c) { c.x.store(1, relaxed), fence(seq_cst), c.r[0] = c.y.load(relaxed); },
                              [](cells& c) { c.y.store(1, seq_cst), c.r[1] = c.x.load(seq_cst); }});
  CHECK_FALSE(seen.contains({0, 0, 0, 0}));
}

TEST_CASE("message passing needs release and acquire") {
  CHECK_FALSE(message_passing(release, acquire));
  CHECK(message_passing(relaxed, relaxed));
  CHECK(message_passing(release, relaxed));
  CHECK(message_passing(relaxed, acquire));
}

TEST_CASE("message passing through fences") {
  auto const with = [](order first, order second) {
    return outcomes({[=](cells& c) { c.x.store(1, relaxed), fence(first), c.y.store(1, relaxed); },
                     [=](cells& c) { c.r[0] = c.y.load(relaxed), fence(second), c.r[1] = c.x.load(relaxed); }})
        .contains({1, 0, 0, 0});
  };
  CHECK_FALSE(with(release, acquire));
  CHECK_FALSE(with(acq_rel, acq_rel));
  CHECK(with(acquire, acquire));
  CHECK(with(release, release));
}

TEST_CASE("a release sequence goes on through a relaxed read-modify-write, not through a store") {
  auto const through = [](auto middle) {
    return outcomes({[](cells& c) { c.x.store(1, relaxed), c.y.store(1, release); }, middle,
                     [](cells& c) { c.r[0] = c.y.load(acquire), c.r[1] = c.x.load(relaxed); }})
        .contains({2, 0, 0, 0});
  };
  CHECK_FALSE(through([](cells& c) {
    int expected = 1;
    c.y.compare_exchange_strong(expected, 2, relaxed);
  }));
  CHECK(through([](cells& c) {
    if (c.y.load(relaxed) == 1) c.y.store(2, relaxed);
  }));
}

TEST_CASE("independent readers agree only on seq_cst accesses or with fences") {
  CHECK(independent_reads(release, acquire, false));
  CHECK_FALSE(independent_reads(seq_cst, seq_cst, false));
  CHECK_FALSE(independent_reads(release, acquire, true));
  CHECK_FALSE(independent_reads(relaxed, seq_cst, false));
}

TEST_CASE("coherence: a thread never reads backwards, nor past its own store") {
  auto const read_read = outcomes({[](cells& c) { c.x.store(1, relaxed), c.x.store(2, relaxed); },
                                   [](cells& c) { c.r[0] = c.x.load(relaxed), c.r[1] = c.x.load(relaxed); }});
  CHECK_FALSE(read_read.contains({2, 1, 0, 0}));
  CHECK_FALSE(read_read.contains({1, 0, 0, 0}));
  CHECK(read_read.contains({0, 2, 0, 0}));
  CHECK(read_read.contains({1, 2, 0, 0}));
  auto const write_read = outcomes(
      {[](cells& c) { c.x.store(1, relaxed), c.r[0] = c.x.load(relaxed); }, [](cells& c) { c.x.store(2, relaxed); }});
  CHECK_FALSE(write_read.contains({0, 0, 0, 0}));
}

TEST_CASE("coherence reaches through happens-before: what another has read is not unread") {
  auto const seen = outcomes({[](cells& c) { c.x.store(1, relaxed); },
                              [](cells& c) { c.r[0] = c.x.load(relaxed), c.y.store(1, release); },
                              [](cells& c) { c.r[1] = c.y.load(acquire), c.r[2] = c.x.load(relaxed); }});
  CHECK_FALSE(seen.contains({1, 1, 0, 0}));
  CHECK(seen.contains({0, 1, 0, 0}));
}

TEST_CASE("write-to-read causality") {
  auto const with = [](order store, order load) {
    return outcomes({[](cells& c) { c.x.store(1, relaxed); },
                     [=](cells& c) { c.r[0] = c.x.load(load), c.y.store(c.r[0], store); },
                     [=](cells& c) { c.r[1] = c.y.load(load), c.r[2] = c.x.load(relaxed); }})
        .contains({1, 1, 0, 0});
  };
  CHECK_FALSE(with(release, acquire));
  CHECK(with(relaxed, relaxed));
}

TEST_CASE("a fence's visibility is handed on by release and acquire") {
  auto const seen = outcomes({[](cells& c) { c.x.store(1, relaxed), fence(seq_cst), c.r[0] = c.y.load(relaxed); },
                              [](cells& c) { c.y.store(1, relaxed), fence(seq_cst), c.y.store(2, release); },
                              [](cells& c) { c.r[1] = c.y.load(acquire), c.r[2] = c.x.load(relaxed); }});
  CHECK_FALSE(seen.contains({0, 2, 0, 0}));
}

TEST_CASE("light and heavy barrier forbid store buffering together, neither does alone") {
  CHECK_FALSE(asymmetric(true, true));
  CHECK(asymmetric(false, true));
  CHECK(asymmetric(true, false));
  CHECK(asymmetric(false, false));
}

TEST_CASE("two heavy barriers forbid store buffering, two light ones do not") {
  auto const with = [](auto barrier) {
    return outcomes({[=](cells& c) { c.x.store(1, relaxed), barrier(), c.r[0] = c.y.load(relaxed); },
                     [=](cells& c) { c.y.store(1, relaxed), barrier(), c.r[1] = c.x.load(relaxed); }})
        .contains({0, 0, 0, 0});
  };
  CHECK_FALSE(with([] { os::heavy_barrier(); }));
  CHECK(with([] { os::light_barrier(); }));
}

TEST_CASE("a compare-exchange that fails may have seen an older value") {
  auto const seen = outcomes({[](cells& c) { c.x.store(1, relaxed), c.y.store(1, release); },
                              [](cells& c) {
                                c.r[0] = c.y.load(relaxed);
                                int expected = 7;
                                c.x.compare_exchange_strong(expected, 9, relaxed);
                                c.r[1] = expected;
                              }});
  CHECK(seen.contains({1, 0, 0, 0}));
}

TEST_CASE("load buffering is allowed by C++ and not produced: a stated limit") {
  auto const seen = outcomes({[](cells& c) { c.r[0] = c.y.load(relaxed), c.x.store(1, relaxed); },
                              [](cells& c) { c.r[1] = c.x.load(relaxed), c.y.store(1, relaxed); }});
  CHECK_FALSE(seen.contains({1, 1, 0, 0}));
}

TEST_CASE("stores in opposite orders (2+2W) follow the order of execution: a stated limit") {
  std::set<outcome> seen;
  auto const result = testing::explore([&](testing::scenario& s) {
    auto& c = s.make<cells>();
    s.thread("one", [&c] { c.x.store(1, relaxed), c.y.store(2, relaxed); });
    s.thread("two", [&c] { c.y.store(1, relaxed), c.x.store(2, relaxed); });
    s.finally([&] { seen.insert({c.x.load(), c.y.load()}); });
  });
  CHECK(result.exhausted);
  CHECK(seen.contains({1, 2, 0, 0}));
  CHECK_FALSE(seen.contains({1, 1, 0, 0}));
}

}  // namespace
