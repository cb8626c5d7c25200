// SPDX-License-Identifier: BSL-1.0
//
// Bugs that shipped in libraries of this kind, each in its smallest form beside its repair: the explorer finds the
// one and passes the other.
#include <concur/core/os.hpp>
#include <concur/testing/explorer.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <optional>

namespace {

namespace os = concur::os;
namespace testing = concur::testing;
using enum std::memory_order;
using word = os::atomic<std::uint32_t>;

testing::options without_events() {
  testing::options o;
  o.timeouts = o.spurious = o.weak_failures = o.clock_jumps = 0;
  return o;
}

void expect_pass(testing::result const& r) {
  INFO(r);
  CHECK(r.passed);
  CHECK(r.exhausted);
}

void expect_failure(testing::result const& r, char const* part) {
  INFO(r);
  CHECK_FALSE(r.passed);
  CHECK(r.failure.find(part) != std::string::npos);
}

// ---- event count: "publish, look for waiters" against "announce, look again, sleep"

struct event_count {
  word flag{0}, waiters{0}, epoch{0};

  void set(std::memory_order store, std::memory_order look) {
    flag.store(1, store);
    if (waiters.load(look) == 0) return;
    epoch.fetch_add(1, release);
    os::futex_wake(&epoch, 100);
  }
  void set_by_exchange(std::memory_order exchange, std::memory_order look) {
    flag.exchange(1, exchange);
    if (waiters.load(look) == 0) return;
    epoch.fetch_add(1, release);
    os::futex_wake(&epoch, 100);
  }
  void wait(std::memory_order announce, std::memory_order again) {
    while (flag.load(acquire) == 0) {
      std::uint32_t const seen = epoch.load(acquire);
      waiters.fetch_add(1, announce);
      if (flag.load(again) == 0) os::futex_wait(epoch, seen);
      waiters.fetch_sub(1, relaxed);
    }
  }
};

template <class Set>
testing::result event_count_with(Set set, std::memory_order announce, std::memory_order again) {
  return testing::explore([=](testing::scenario& s) {
    auto& e = s.make<event_count>();
    s.name(e, "event");
    s.thread("setter", [&e, set] { set(e); });
    s.thread("waiter", [&e, announce, again] { e.wait(announce, again); });
  });
}

TEST_CASE("event count: release and acquire are not enough, seq_cst accesses are") {
  auto const weak = [](event_count& e) { e.set(release, relaxed); };
  auto const strong = [](event_count& e) { e.set(seq_cst, seq_cst); };
  expect_failure(event_count_with(weak, relaxed, acquire), "deadlock");
  expect_failure(event_count_with(strong, acq_rel, acquire), "deadlock");
  expect_pass(event_count_with(strong, seq_cst, seq_cst));
}

TEST_CASE("oneTBB 2136: an exchange is no fence for the relaxed load behind it") {
  auto const shipped = [](event_count& e) { e.set_by_exchange(acq_rel, relaxed); };
  auto const stronger = [](event_count& e) { e.set_by_exchange(seq_cst, relaxed); };
  auto const repaired = [](event_count& e) { e.set_by_exchange(seq_cst, seq_cst); };
  expect_failure(event_count_with(shipped, seq_cst, seq_cst), "deadlock");
  expect_failure(event_count_with(stronger, seq_cst, seq_cst), "deadlock");
  expect_pass(event_count_with(repaired, seq_cst, seq_cst));
}

// ---- semaphore: libstdc++ PR 98033, libc++ PR 47013

testing::result semaphore_with(bool only_from_zero) {
  return testing::explore(
      [=](testing::scenario& s) {
        auto& count = s.make<word>(0u);
        s.name(count, "count");
        auto acquire_one = [&count] {
          for (;;) {
            std::uint32_t seen = count.load(relaxed);
            if (seen == 0) {
              os::futex_wait(count, 0);
            } else if (count.compare_exchange_strong(seen, seen - 1, acquire)) {
              return;
            }
          }
        };
        s.thread("first", acquire_one);
        s.thread("second", acquire_one);
        s.thread("releaser", [&count, only_from_zero] {
          for (int i = 0; i < 2; ++i) {
            if (count.fetch_add(1, release) == 0 || !only_from_zero) os::futex_wake(&count);
          }
        });
      },
      without_events());
}

TEST_CASE("semaphore: a wake on 0 to 1 only leaves a waiter asleep") {
  expect_failure(semaphore_with(true), "deadlock");
  expect_pass(semaphore_with(false));
}

// ---- mutex destroyed by the last user right after its unlock

enum class after_unlock { touches_itself, notifies_like_std, wakes_by_address };

struct three_state_mutex {
  word state{0};  // 0: free, 1: locked, 2: locked, perhaps with waiters

  void lock() {
    std::uint32_t expected = 0;
    if (state.compare_exchange_strong(expected, 1, acquire)) return;
    while (state.exchange(2, acquire) != 0) os::futex_wait(state, 2);
  }
  void unlock(after_unlock how) {
    bool const waiters = state.exchange(0, release) == 2;
    if (how == after_unlock::touches_itself) (void)state.load(relaxed);
    if (!waiters) return;
    if (how == after_unlock::notifies_like_std) (void)state.load(relaxed);  // as a waiter count kept in the object
    os::futex_wake(&state);
  }
};

testing::result mutex_with(after_unlock how, int preemptions) {
  testing::options bounds = without_events();
  bounds.preemptions = preemptions;
  return testing::explore(
      [=](testing::scenario& s) {
        struct state {
          std::optional<three_state_mutex> m{std::in_place};
          os::plain<int> count{0}, users{2};
        };
        auto& st = s.make<state>();
        s.name(st.m, "mutex");
        auto const user = [&st, how] {
          three_state_mutex& m = *st.m;
          m.lock();
          st.count.set(st.count.get() + 1);
          int const left = st.users.get() - 1;
          st.users.set(left);
          m.unlock(how);
          if (left == 0) st.m.reset();
        };
        s.thread("first", user);
        s.thread("second", user);
        s.finally([&st, &s] { s.check(st.count.get() == 2, "an increment was lost"); });
      },
      bounds);
}

TEST_CASE("mutex: whoever unlocks must not look at the mutex again") {
  expect_failure(mutex_with(after_unlock::touches_itself, 3), "use after destruction");
  expect_failure(mutex_with(after_unlock::notifies_like_std, 3), "use after destruction");
}

TEST_CASE("mutex: a wake by address may come after the end of the mutex") {
  expect_pass(mutex_with(after_unlock::wakes_by_address, 3));
}

TEST_CASE("mutex: two preemptions do not show the notify after unlock, three do") {
  CHECK(mutex_with(after_unlock::notifies_like_std, 2).passed);
  CHECK_FALSE(mutex_with(after_unlock::notifies_like_std, 3).passed);
}

// ---- bounded queue of Vyukov: sequence numbers publish the cells

testing::result queue_with(std::memory_order publish) {
  return testing::explore(
      [=](testing::scenario& s) {
        struct cell {
          os::atomic<int> sequence;
          os::plain<int> value{0};
          explicit cell(int i) : sequence(i) {}
        };
        struct queue {
          cell cells[2] = {cell(0), cell(1)};
          os::atomic<int> head{0}, tail{0};
          int sum = 0;
        };
        auto& q = s.make<queue>();
        auto const push = [&q, publish](int value) {
          int at = q.tail.load(relaxed);
          for (;;) {
            cell& c = q.cells[at & 1];
            int const lead = c.sequence.load(acquire) - at;
            if (lead < 0) return false;
            if (lead > 0) {
              at = q.tail.load(relaxed);
            } else if (q.tail.compare_exchange_strong(at, at + 1, relaxed)) {
              c.value.set(value);
              c.sequence.store(at + 1, publish);
              return true;
            }
          }
        };
        auto const pop = [&q] {
          int at = q.head.load(relaxed);
          cell& c = q.cells[at & 1];
          if (c.sequence.load(acquire) != at + 1 || !q.head.compare_exchange_strong(at, at + 1, relaxed)) return 0;
          int const value = c.value.get();
          c.sequence.store(at + 2, release);
          return value;
        };
        s.thread("producer 1", [=] { push(1); });
        s.thread("producer 2", [=] { push(2); });
        s.thread("consumer", [=, &q] { q.sum += pop(), q.sum += pop(); });
        s.finally([=, &q] {
          while (int const value = pop()) q.sum += value;
          testing::check(q.sum == 3, "an item was lost or doubled");
        });
      },
      without_events());
}

TEST_CASE("bounded queue: a cell published without release is a data race") {
  expect_failure(queue_with(relaxed), "data race");
  expect_pass(queue_with(release));
}

}  // namespace
