// SPDX-License-Identifier: BSL-1.0
//
// The mutation run itself: it finds every place of a small event count, kills every mutant that matters, and lets
// one live only where the source says why. Also registered, so that the command `mutate` has something of its own.
#include <concur/core/os.hpp>
#include <concur/testing/mutation.hpp>

#include "support/catch.hpp"
#include "support/run_scenarios.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;
using word = os::atomic<std::uint32_t>;

/// One-shot event: between "set" and "anybody there?", and between "I am here" and "set?", nothing but seq_cst helps.
struct toy_event {
  word state{0}, waiters{0}, epoch{0};

  void set(os::site at = os::site::here()) {
    state.store(1);
    if (waiters.load() == 0 || os::drop_wake(at)) return;
    epoch.fetch_add(1, relaxed);
    os::futex_wake(&epoch, 100);
  }
  void wait() {
    while (state.load(acquire) == 0) {
      std::uint32_t const seen = epoch.load(relaxed);
      waiters.fetch_add(1);
      if (state.load() == 0) os::futex_wait(epoch, seen);
      waiters.fetch_sub(1, relaxed);
    }
  }
};

void hand_over(testing::scenario& s) {
  struct state {
    toy_event event;
    os::plain<int> data{0};
  };
  auto& st = s.make<state>();
  s.thread("giver", [&st] {
    st.data.set(1);
    st.event.set();
  });
  s.thread("taker", [&st] {
    st.event.wait();
    testing::check(st.data.get() == 1, "nothing was handed over");
  });
}

explored::registration const toy{"toy_event", "hand-over", hand_over};

/// Releases that publish nothing: one is explained, one is not.
void stronger_than_needed(testing::scenario& s) {
  auto& w = s.make<word>(0u);
  s.thread("unexplained", [&w] { w.fetch_add(1, release); });
  s.thread("explained", [&w] {
    // mutant: only the number matters, nothing is published
    w.fetch_add(1, release);
  });
  s.finally([&w] { testing::check(w.load() == 2, "lost"); });
}

void barriers(testing::scenario& s) {
  struct state {
    os::atomic<int> x{0}, y{0};
    int r1 = 0, r2 = 0;
  };
  auto& st = s.make<state>();
  s.thread("light", [&st] {
    st.x.store(1, relaxed);
    os::light_barrier();
    st.r1 = st.y.load(relaxed);
  });
  s.thread("heavy", [&st] {
    st.y.store(1, relaxed);
    os::heavy_barrier();
    st.r2 = st.x.load(relaxed);
  });
  s.finally([&st] { testing::check(st.r1 + st.r2 > 0, "neither saw the other"); });
}

std::string text(testing::mutation_report const& report) {
  std::string out;
  for (testing::mutant const& m : report.mutants) out += m.text() + ": " + (m.killed() ? m.failure : m.reason) + "\n";
  return out;
}

TEST_CASE("toy_event: explored") { explored::run("toy_event"); }

TEST_CASE("every mutant of a small event is killed, dropped wakes among them") {
  auto const report = testing::run_mutations(explored::scenarios_of("toy_event"));
  INFO(text(report));
  // One seq_cst store and two loads with two weaker orders each, an acquire with one, an update with four; two wakes.
  CHECK(report.mutants.size() == 13);
  CHECK(report.killed() == static_cast<int>(report.mutants.size()));
}

TEST_CASE("a survivor is explained by the source, or not") {
  auto const report = testing::run_mutations({{"counting", {}, stronger_than_needed}});
  INFO(text(report));
  REQUIRE(report.mutants.size() == 2);
  CHECK(report.killed() == 0);
  CHECK(report.unexplained() == 1);
  auto const explained = [](testing::mutant const& m) { return m.reason.starts_with("only the number matters"); };
  CHECK(std::count_if(report.mutants.begin(), report.mutants.end(), explained) == 1);
}

TEST_CASE("a scenario that fails without a mutant is refused, also if only random schedules show it") {
  auto const lost_update = [](testing::scenario& s) {
    auto& count = s.make<os::atomic<int>>(0);
    for (char const* name : {"first", "second"}) s.thread(name, [&count] { count.store(count.load() + 1); });
    s.finally([&count] { testing::check(count.load() == 2, "an increment was lost"); });
  };
  CHECK_THROWS_AS(testing::run_mutations({{"lost update", {}, lost_update}}), std::logic_error);
  CHECK_THROWS_AS(testing::run_mutations({{"lost update", {.preemptions = 0}, lost_update}}), std::logic_error);
}

TEST_CASE("dropping either barrier of the asymmetric pair is noticed") {
  auto const report = testing::run_mutations({{"store buffering", {}, barriers}});
  INFO(text(report));
  CHECK(report.mutants.size() == 2);
  CHECK(report.killed() == 2);
}

TEST_CASE("the weaker orders of each kind of operation") {
  using testing::engine::operation;
  auto const weaker = [](operation kind, std::memory_order order) {
    return testing::engine::weaker_orders({"", 0, 0, kind, order});
  };
  using orders = std::vector<std::memory_order>;
  CHECK(weaker(operation::load, seq_cst) == orders{acquire, relaxed});
  CHECK(weaker(operation::store, seq_cst) == orders{release, relaxed});
  CHECK(weaker(operation::update, seq_cst) == orders{acq_rel, acquire, release, relaxed});
  CHECK(weaker(operation::update, acq_rel) == orders{acquire, release, relaxed});
  CHECK(weaker(operation::failed_exchange, seq_cst) == orders{acquire, relaxed});
  CHECK(weaker(operation::load, acquire) == orders{relaxed});
  CHECK(weaker(operation::update, relaxed).empty());
}

}  // namespace
