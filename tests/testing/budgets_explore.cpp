// SPDX-License-Identifier: BSL-1.0
//
// What can happen besides a switch of threads: time-outs, wakes for no reason, weak failures, a clock that jumps, a
// scenario's own choices, spinning. Each happens, and each has a budget of its own.
#include <concur/core/os.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using namespace std::chrono_literals;
using enum std::memory_order;
using word = os::atomic<std::uint32_t>;

testing::options nothing_happens() {
  testing::options o;
  o.preemptions = o.timeouts = o.spurious = o.weak_failures = o.clock_jumps = 0;
  return o;
}

/// The values that one thread's function returns under all schedules, beside a thread that sets the word and wakes.
std::set<int> answers(std::function<int(word&)> const& f, testing::options const& bounds) {
  std::set<int> seen;
  auto const r = testing::explore(
      [&](testing::scenario& s) {
        auto& w = s.make<word>(0u);
        int& answer = s.make<int>(0);
        s.thread("waiter", [&] { answer = f(w); });
        s.thread("waker", [&w] {
          w.store(1);
          os::futex_wake(&w);
        });
        s.finally([&] { seen.insert(answer); });
      },
      bounds);
  INFO(r);
  REQUIRE(r.passed);
  REQUIRE(r.exhausted);
  return seen;
}

TEST_CASE("a time-out strikes while the waker could still run, within its budget") {
  auto const wait = [](word& w) {
    auto const deadline = os::clock::now() + 1s;
    bool const in_time = os::futex_wait(w, 0, deadline);
    if (!in_time) testing::check(os::clock::now() >= deadline, "a time-out before its time");
    return static_cast<int>(in_time);
  };
  auto bounds = nothing_happens();
  CHECK(answers(wait, bounds) == std::set<int>{1});
  bounds.timeouts = 1;
  CHECK(answers(wait, bounds) == std::set<int>{0, 1});
}

TEST_CASE("a sleeper with a deadline is no deadlock, even without a budget") {
  auto const r = testing::explore(
      [](testing::scenario& s) {
        auto& w = s.make<word>(0u);
        s.thread("sleeper", [&w] { testing::check(!os::futex_wait(w, 0, os::clock::now() + 1s), "woken by nobody"); });
      },
      nothing_happens());
  INFO(r);
  CHECK(r.passed);
}

TEST_CASE("a deadline in the past times out at once, after the comparison") {
  auto const wait = [](word& w) {
    auto const past = os::clock::time_point{};
    return os::futex_wait(w, 7, past) ? os::futex_wait(w, w.load(), past) ? 2 : 1 : 0;
  };
  CHECK(answers(wait, nothing_happens()) == std::set<int>{1});
}

TEST_CASE("a wake for no reason happens, within its budget") {
  auto const wait = [](word& w) {
    bool const was_set = w.load() != 0;
    os::futex_wait(w, 0);
    return static_cast<int>(!was_set && w.load() == 0);
  };
  auto bounds = nothing_happens();
  CHECK(answers(wait, bounds) == std::set<int>{0});
  bounds.spurious = 1;
  CHECK(answers(wait, bounds) == std::set<int>{0, 1});
}

TEST_CASE("a wake can come just after the sleeper's time-out, and is then lost on it") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& w = s.make<word>(0u);
    s.thread("timed", [&w] { os::futex_wait(w, 0, os::clock::now() + 1s); });
    s.thread("patient", [&w] { os::futex_wait(w, 0); });
    s.thread("waker", [&w] {
      w.store(1);
      os::futex_wake(&w, 1);
      os::futex_wake(&w, 1);
    });
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("a weak exchange fails for no reason as often as its budget allows, a strong one does not") {
  auto const failures = [](bool weak) {
    return [weak](word&) {
      word own{0};
      int failed = 0;
      for (std::uint32_t expected = 0;; ++failed) {
        if (weak ? own.compare_exchange_weak(expected, 1) : own.compare_exchange_strong(expected, 1)) return failed;
      }
    };
  };
  auto bounds = nothing_happens();
  CHECK(answers(failures(true), bounds) == std::set<int>{0});
  bounds.weak_failures = 2;
  CHECK(answers(failures(true), bounds) == std::set<int>{0, 1, 2});
  CHECK(answers(failures(false), bounds) == std::set<int>{0});
}

TEST_CASE("the clock goes forward by little, or by an hour as often as its budget allows") {
  auto const jumps = [](word&) {
    auto const begin = os::clock::now();
    auto const middle = os::clock::now();
    testing::check(begin < middle, "the clock stood still");
    return static_cast<int>((os::clock::now() - begin) / 1h);
  };
  auto bounds = nothing_happens();
  CHECK(answers(jumps, bounds) == std::set<int>{0});
  bounds.clock_jumps = 2;
  CHECK(answers(jumps, bounds) == std::set<int>{0, 1, 2});
}

TEST_CASE("budgets do not share: all four happen in one execution without a preemption") {
  struct state {
    word own{0}, woken{0}, silent{0}, done{0};
  };
  auto const all = [](state& st) {
    word weak{0};
    std::uint32_t expected = 0;
    int happened = weak.compare_exchange_weak(expected, 1) ? 0 : 1;
    auto const before = os::clock::now();
    auto const now = os::clock::now();
    if (now - before >= 1h) happened |= 2;
    os::futex_wait(st.own, 0);
    if (st.woken.load() == 0) happened |= 4;
    if (!os::futex_wait(st.silent, 0, now + 2h)) happened |= 8;
    st.done.store(1);
    return happened;
  };
  auto bounds = nothing_happens();
  bounds.timeouts = bounds.spurious = bounds.weak_failures = bounds.clock_jumps = 1;
  std::set<int> seen;
  auto const r = testing::explore(
      [&](testing::scenario& s) {
        auto& st = s.make<state>();
        s.thread("waiter", [&] { seen.insert(all(st)); });
        s.thread("waker", [&st] {
          while (st.done.load() == 0) {
            st.woken.store(1);
            os::futex_wake(&st.own);
            os::yield();
          }
        });
      },
      bounds);
  INFO(r);
  CHECK(r.passed);
  CHECK(seen.contains(15));
  CHECK(seen.contains(8));
}

TEST_CASE("a scenario's own choices are all explored") {
  std::set<int> seen;
  auto const r = testing::explore([&seen](testing::scenario& s) {
    s.thread("chooser", [&seen] {
      int const tens = testing::choose(3);
      seen.insert(10 * tens + testing::choose(2));
    });
  });
  CHECK(r.exhausted);
  CHECK(r.executions == 6);
  CHECK(seen == std::set<int>{0, 1, 10, 11, 20, 21});
}

TEST_CASE("a spin loop is one step, however long it lasts") {
  auto const r = testing::explore(
      [](testing::scenario& s) {
        struct state {
          os::atomic<bool> ready{false};
          os::plain<int> data{0};
        };
        auto& st = s.make<state>();
        s.thread("spinner", [&st] {
          while (!st.ready.load(acquire)) os::spin_pause();
          testing::check(st.data.get() == 1, "ready too early");
        });
        s.thread("setter", [&st] {
          for (int i = 0; i < 10; ++i) os::light_barrier();
          st.data.set(1);
          st.ready.store(true, release);
        });
      },
      {.preemptions = 1000});
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
  CHECK(r.executions < 200);
  CHECK(r.steps / r.executions < 25);
}

TEST_CASE("spinners that compete for a lock whose holder waits do not starve it") {
  auto const r = testing::explore([](testing::scenario& s) {
    auto& lock = s.make<os::atomic<bool>>(false);
    auto const use = [&lock] {
      while (lock.exchange(true, acquire)) {
        while (lock.load(relaxed)) os::spin_pause();
      }
      lock.store(false, release);
    };
    s.thread("first", use);
    s.thread("second", use);
    s.thread("third", use);
  });
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("whoever spins until a deadline gets there") {
  auto const r = testing::explore(
      [](testing::scenario& s) {
        auto& flag = s.make<os::atomic<bool>>(false);
        s.thread("spinner", [&flag] {
          auto const deadline = os::clock::now() + 1min;
          while (!flag.load() && os::clock::now() < deadline) os::yield();
        });
      },
      nothing_happens());
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

TEST_CASE("a relaxed spin loop still races on what it guards") {
  auto const r = testing::explore([](testing::scenario& s) {
    struct state {
      os::atomic<bool> ready{false};
      os::atomic<int> data{0};
    };
    auto& st = s.make<state>();
    s.thread("spinner", [&st] {
      while (!st.ready.load(relaxed)) os::spin_pause();
      testing::check(st.data.load(relaxed) == 1, "data is older than the flag");
    });
    s.thread("setter", [&st] {
      st.data.store(1, relaxed);
      st.ready.store(true, release);
    });
  });
  CHECK(r.failure == "data is older than the flag");
}

}  // namespace
