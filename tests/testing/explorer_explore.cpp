// SPDX-License-Identifier: BSL-1.0
//
// What the explorer reports as a failure, and that its report can be trusted: names, replay, and no trace of one
// execution in the next.
#include <concur/core/assert.hpp>
#include <concur/core/os.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;
using word = os::atomic<std::uint32_t>;

bool mentions(testing::result const& r, std::string const& part) { return r.failure.find(part) != std::string::npos; }

/// The lost update: two threads load, add and store.
void lost_update(testing::scenario& s) {
  auto& count = s.make<os::atomic<int>>(0);
  s.name(count, "count");
  auto const add = [&count] { count.store(count.load() + 1); };
  s.thread("first", add);
  s.thread("second", add);
  s.finally([&count] { testing::check(count.load() == 2, "an increment was lost"); });
}

TEST_CASE("a failed check is reported with its sentence and the steps that led to it") {
  auto const r = testing::explore(lost_update);
  INFO(r);
  CHECK_FALSE(r.passed);
  CHECK(r.failure == "an increment was lost");
  CHECK(r.trace.find("count.load(seq_cst) = 0, initial") != std::string::npos);
  CHECK(r.trace.find("count.store(seq_cst) := 1") != std::string::npos);
  CHECK(r.trace.find("second") != std::string::npos);
  CHECK(r.trace.find("explorer_explore.cpp:") != std::string::npos);
  CHECK(r.trace.find('/') == std::string::npos);
}

TEST_CASE("a replay gives the same failure and the same trace in one execution") {
  for (auto const strategy : {testing::search::exhaustive, testing::search::random, testing::search::pct}) {
    auto const found = testing::explore(lost_update, {.strategy = strategy});
    REQUIRE_FALSE(found.passed);
    auto const again = testing::explore(lost_update, {.replay = found.replay});
    INFO(found << again);
    CHECK(again.executions == 1);
    CHECK(again.failure == found.failure);
    CHECK(again.trace == found.trace);
  }
}

TEST_CASE("a replay that does not fit the scenario is refused") {
  auto const r =
      testing::explore([](testing::scenario& s) { s.thread("only", [] { testing::choose(2); }); }, {.replay = "x9"});
  CHECK(mentions(r, "does not fit"));
}

TEST_CASE("a deadlock names who is blocked, and where") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& w = s.make<word>(0u);
    s.thread("patient", [&w] {
      while (w.load() == 0) os::futex_wait(w, 0);
    });
    s.thread("forgetful", [&w] { w.store(1); });
  });
  INFO(r);
  CHECK(mentions(r, "deadlock"));
  CHECK(mentions(r, "'patient' sleeps at explorer_explore.cpp:"));
}

TEST_CASE("an exception that leaves a thread is a failure with its text") {
  auto const r = testing::explore(
      [](testing::scenario& s) { s.thread("thrower", [] { throw std::runtime_error("out of patience"); }); });
  CHECK(mentions(r, "out of patience"));
  auto const other = testing::explore([](testing::scenario& s) { s.thread("thrower", [] { throw 7; }); });
  CHECK(mentions(other, "an exception escaped"));
  auto const set_up = testing::explore([](testing::scenario&) { throw std::runtime_error("not even started"); });
  CHECK(mentions(set_up, "not even started"));
}

TEST_CASE("a failure inside a noexcept function is a failure like any other") {
  auto const r = testing::explore(
      [](testing::scenario& s) { s.thread("careful", []() noexcept { testing::fail("in the depths"); }); });
  CHECK(r.failure == "in the depths");
}

TEST_CASE("misuse that the library reports is a failure, in a destructor too") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& event = s.make<std::optional<concur::event>>(std::in_place);
    s.thread("waiter", [&event] { event->wait(); });
    s.thread("destroyer", [&event] { event.reset(); });
  });
  INFO(r);
  CHECK(mentions(r, "misuse at wait_list.hpp:"));
  CHECK(mentions(r, "a primitive was destroyed while a party waited for it"));
}

TEST_CASE("misuse that a handler of the program throws is an exception like any other") {
  auto const before =
      concur::set_misuse_handler([](concur::misuse_report const& report) { throw std::logic_error(report.sentence); });
  auto const r = testing::explore([](testing::scenario& s) {
    auto& m = s.make<concur::mutex>();
    s.thread("careless", [&m] {
      try {
        m.unlock();
        testing::fail("not noticed");
      } catch (std::logic_error const&) {
      }
    });
  });
  concur::set_misuse_handler(before);
  INFO(r);
  CHECK(r.passed);
}

TEST_CASE("a loop that never ends is a livelock") {
  auto const turning = testing::explore([](testing::scenario& s) {
    auto& w = s.make<word>(0u);
    s.thread("turning", [&w] {
      while (w.load() == 0) {
      }
    });
  });
  CHECK(mentions(turning, "livelock"));
  auto const spinning = testing::explore([](testing::scenario& s) {
    auto& w = s.make<word>(0u);
    s.thread("spinning", [&w] {
      while (w.load() == 0) os::spin_pause();
    });
  });
  INFO(spinning);
  CHECK(mentions(spinning, "livelock: no thread can go on: 'spinning' spins at"));
}

TEST_CASE("a race on a plain field is reported with both places, in whatever order they ran") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& field = s.make<os::plain<int>>(0);
    s.name(field, "field");
    s.thread("writer", [&field] { field.set(1); });
    s.thread("reader", [&field] { (void)field.get(); });
  });
  INFO(r);
  CHECK(r.executions == 1);
  CHECK(mentions(r, "data race on field: read by 'reader' at explorer_explore.cpp:"));
  CHECK(mentions(r, "written by 'writer' at explorer_explore.cpp:"));
}

TEST_CASE("two readers are no race, and a lock's release and acquire order a writer") {
  auto const r = testing::explore([](testing::scenario& s) {
    struct state {
      os::plain<int> field{3};
      os::atomic<bool> free{true};
    };
    auto& st = s.make<state>();
    auto const use = [&st] {
      (void)st.field.get();
      while (!st.free.exchange(false, acquire)) os::spin_pause();
      st.free.store(true, release);
    };
    s.thread("first", use);
    s.thread("second", use);
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("use after destruction is found where another thread destroys in between") {
  auto const r = testing::explore([](testing::scenario& s) {
    struct state {
      std::optional<word> w{std::in_place, 0u};
      word* address = &*w;
    };
    auto& st = s.make<state>();
    s.thread("user", [&st] { st.address->store(1); });
    s.thread("destroyer", [&st] {
      if (st.address->load() == 0) st.w.reset();
    });
  });
  CHECK(mentions(r, "use after destruction at explorer_explore.cpp:"));
}

TEST_CASE("an object handed over without release is used before it was made") {
  auto const with = [](std::memory_order publish) {
    return testing::explore([publish](testing::scenario& s) {
      struct state {
        os::atomic<word*> shared{nullptr};
        std::unique_ptr<word> owner;
      };
      auto& st = s.make<state>();
      s.thread("maker", [&st, publish] {
        st.owner = std::make_unique<word>(5u);
        st.shared.store(st.owner.get(), publish);
      });
      s.thread("user", [&st] {
        if (word* const w = st.shared.load(acquire)) testing::check(w->load(relaxed) == 5, "another value");
      });
    });
  };
  CHECK(mentions(with(relaxed), "was made by 'maker' without a happens-before"));
  CHECK(with(release).passed);
}

TEST_CASE("rethrowing on one stack does not take another's exception") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& turn = s.make<word>(0u);
    auto const thrower = [&turn](int mine) {
      try {
        throw mine;
      } catch (int) {
        turn.fetch_add(1);
        try {
          turn.fetch_add(1);
          throw;
        } catch (int again) {
          testing::check(again == mine, "another thread's exception was rethrown");
        }
      }
      testing::check(std::uncaught_exceptions() == 0, "an exception is still in flight");
    };
    s.thread("first", [=] { thrower(1); });
    s.thread("second", [=] { thrower(2); });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("random and PCT schedules find a bug that needs two preemptions") {
  auto const hidden = [](testing::scenario& s) {
    auto& w = s.make<word>(0u);
    s.thread("first", [&w] {
      for (std::uint32_t i = 0; i < 3; ++i) {
        std::uint32_t expected = 2 * i;
        w.compare_exchange_strong(expected, 2 * i + 1);
      }
    });
    s.thread("second", [&w] {
      for (std::uint32_t i = 0; i < 3; ++i) {
        std::uint32_t expected = 2 * i + 1;
        w.compare_exchange_strong(expected, 2 * i + 2);
      }
    });
    s.finally([&w] { testing::check(w.load() != 4, "both have run in step"); });
  };
  CHECK(testing::explore(hidden, {.preemptions = 1}).passed);
  CHECK_FALSE(testing::explore(hidden).passed);
  CHECK_FALSE(testing::explore(hidden, {.strategy = testing::search::random}).passed);
  CHECK_FALSE(testing::explore(hidden, {.strategy = testing::search::pct}).passed);
}

TEST_CASE("a thousand failed executions are abandoned without harm") {
  for (int i = 0; i < 1000; ++i) {
    auto const r = testing::explore([](testing::scenario& s) {
      auto& held = s.make<std::vector<std::string>>();
      held.emplace_back("a text too long for the small string buffer of the standard library");
      auto& w = s.make<word>(0u);
      s.thread("holds memory", [&w] {
        auto const local = std::make_unique<int>(1);
        std::string const text(100, 'x');
        try {
          throw std::runtime_error("in flight while abandoned");
        } catch (std::runtime_error const&) {
          os::futex_wait(w, 0);
        }
      });
      s.thread("fails", [&w] {
        std::vector<int> const local(100, 1);
        w.fetch_add(1);
        testing::fail("on purpose");
      });
    });
    REQUIRE(r.failure == "on purpose");
  }
  CHECK(std::uncaught_exceptions() == 0);
}

TEST_CASE("each execution is new: objects, thread slots, names") {
  struct tag;
  std::set<int> slots;
  int destroyed = 0;
  struct counted {
    int* count;
    ~counted() { ++*count; }
  };
  auto const r = testing::explore([&](testing::scenario& s) {
    s.make<counted>(&destroyed);
    auto& w = s.make<word>(0u);
    auto const use = [&w, &slots] {
      int& mine = os::thread_slot<tag, int>();
      slots.insert(mine);
      ++mine;
      testing::check((w.fetch_add(1), os::thread_slot<tag, int>() == 1), "not this thread's slot");
    };
    s.thread("first", use);
    s.thread("second", use);
  });
  INFO(r);
  CHECK(r.exhausted);
  CHECK(slots == std::set<int>{0});
  CHECK(static_cast<std::uint64_t>(destroyed) == r.executions);
}

TEST_CASE("threads can be started and joined inside an execution") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& field = s.make<os::plain<int>>(0);
    s.thread("parent", [&field] {
      field.set(1);
      auto child = [&field] { field.set(field.get() + 1); };
      int const id = testing::engine::start_thread(child, "child");
      testing::engine::join_thread(id);
      testing::check(field.get() == 2, "the child's work is not visible");
    });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("outside an execution the types are plain variables") {
  word w{1};
  CHECK(w.fetch_add(2) == 1);
  std::uint32_t expected = 3;
  CHECK(w.compare_exchange_strong(expected, 4));
  CHECK(w.load() == 4);
  os::plain<int> field{1};
  field.set(2);
  CHECK(field.get() == 2);
  CHECK(os::clock::now() > os::clock::time_point{});
  os::futex_wake(&w);
}

}  // namespace
