// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/event.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "destroyed_when_woken.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace {

using concur::event;
using support::foreign_coroutine;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constinit event in_static_storage;

test_task<> pass(event& gate, int& passed) {
  int const one = 1;
  co_await gate.async_wait();
  passed += one;
}

foreign_coroutine pass_foreign(event& gate, int& passed) {
  int const one = 1;
  co_await gate.async_wait();
  passed += one;
  co_await gate.async_wait();
  passed += one;
}

std::vector<std::unique_ptr<root_task<void>>> spawn_passers(concur::executor& where, int count, event& gate,
                                                            int& passed) {
  std::vector<std::unique_ptr<root_task<void>>> roots;
  for (int i = 0; i < count; ++i) roots.push_back(spawn(where, pass(gate, passed)));
  return roots;
}

}  // namespace

TEST_CASE("event: set lets pass until cleared, and both may be repeated", "[event]") {
  event e;
  CHECK_FALSE(e.is_set());
  e.clear();
  CHECK_FALSE(e.is_set());
  e.set();
  e.set();
  CHECK(e.is_set());
  e.wait();
  e.clear();
  CHECK_FALSE(e.is_set());
  CHECK(event(true).is_set());
  CHECK_FALSE(event(false).is_set());
}

TEST_CASE("event: every thread that waits is let go by one set", "[event]") {
  for (int round = 0; round < rounds(500); ++round) {
    event e;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&e] { e.wait(); });
    e.set();
    for (auto& each : threads) each.join();
  }
  SUCCEED();
}

TEST_CASE("event: who waits when it is set goes on, even if it is cleared at once", "[event]") {
  auto const order = GENERATE(ready_order::first_in_first_out, ready_order::last_in_first_out, ready_order::shuffled);
  event e;
  queue_executor here(order);
  int passed = 0;
  auto const roots = spawn_passers(here, 5, e, passed);
  here.run_all();
  CHECK(passed == 0);
  e.set();
  e.clear();
  CHECK(passed == 0);
  here.run_all();
  CHECK(passed == 5);
  CHECK_FALSE(e.is_set());

  auto const later = spawn_passers(here, 1, e, passed);
  here.run_all();
  CHECK(passed == 5);
  e.set();
  here.run_all();
  CHECK(passed == 6);
}

TEST_CASE("event: a thread that waits for a pulse gets one", "[event]") {
  event pulse;
  int const times = rounds(5'000);
  std::atomic<int> passed{0}, acknowledged{0};
  std::thread waiting([&] {
    for (int i = 1; i <= times; ++i) {
      pulse.wait();
      passed.store(i);
      while (acknowledged.load() != i) concur::os::yield();
    }
  });
  for (int i = 1; i <= times; ++i) {
    // A pulse is missed by who does not wait yet, so there are as many as it takes.
    while (passed.load() != i) {
      pulse.set();
      pulse.clear();
      concur::os::yield();
    }
    acknowledged.store(i);
  }
  waiting.join();
  CHECK_FALSE(pulse.is_set());
}

TEST_CASE("event: time limits of every kind, set and not set", "[event]") {
  event e;
  auto const wait_for = [&e](auto const& length) { return e.wait_for(length); };
  auto const wait_until = [&e](auto const& moment) { return e.wait_until(moment); };
  support::check_limits_in_vain(wait_for, wait_until);
  support::check_limits_in_time(wait_for, wait_until, [&e] { e.clear(); }, [&e] { e.set(); });
  e.set();
  support::check_limits_at_once(wait_for, wait_until, [] {});
}

TEST_CASE("event: a stop ends the wait, and a set event is seen whatever the stop", "[event]") {
  for (int round = 0; round < rounds(500); ++round) {
    event e;
    concur::os::stop_source source;
    bool seen = true;
    std::thread waiting([&] { seen = e.wait(source.get_token()); });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(seen);
    REQUIRE_FALSE(e.wait(source.get_token()));
    e.set();
    REQUIRE(e.wait(source.get_token()));
  }
}

TEST_CASE("event: a set that comes with the limit or a stop has been seen", "[event]") {
  event e;
  support::fake_fiber fiber(
      [&e] {
        e.set();
        e.clear();
      },
      support::fake_fiber::limit_passes);
  CHECK(fiber.run([&e] { return e.wait_for(std::chrono::seconds(1)); }));

  concur::os::stop_source source;
  support::fake_fiber stopped([&] {
    e.set();
    e.clear();
    source.request_stop();
  });
  CHECK(stopped.run([&] { return e.wait(source.get_token()); }));

  support::fake_fiber late([] {});
  CHECK_FALSE(late.run([&e] { return e.wait_for(std::chrono::seconds(1)); }));
  CHECK_FALSE(e.is_set());
}

TEST_CASE("event: a cancelled wait leaves the others waiting", "[event]") {
  for (std::size_t leaving = 0; leaving < 3; ++leaving) {
    event e;
    queue_executor here;
    int passed = 0;
    auto const roots = spawn_passers(here, 3, e, passed);
    here.run_all();
    roots[leaving]->cancel();
    here.run_all();
    CHECK(roots[leaving]->was_cancelled());
    CHECK(passed == 0);
    e.set();
    here.run_all();
    CHECK(passed == 2);
  }
}

TEST_CASE("event: a set beats a cancel that comes later, and a cancelled task does not look", "[event]") {
  event e;
  queue_executor here;
  int passed = 0;
  auto const roots = spawn_passers(here, 1, e, passed);
  here.run_all();
  e.set();
  roots[0]->cancel();
  here.run_all();
  CHECK(passed == 1);
  CHECK_FALSE(roots[0]->error());

  auto const late = spawn(here, pass(e, passed));
  late->cancel();
  here.run_all();
  CHECK(passed == 1);
  CHECK(late->was_cancelled());
}

namespace {

test_task<> wait_and_be_cancelled(event& e) {
  auto const make = [&e] { return e.async_wait(); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("event: a task cancelled after it has decided to wait is refused", "[event]") {
  event e;
  queue_executor here;
  auto const root = spawn(here, wait_and_be_cancelled(e));
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
}

TEST_CASE("event: a foreign coroutine waits on the executor of its thread", "[event]") {
  event e;
  queue_executor here;
  int passed = 0;
  {
    concur::executor_scope const this_thread(here);
    auto const coroutine = pass_foreign(e, passed);
    CHECK(passed == 0);
    e.set();
    CHECK(passed == 0);
    here.run_all();
    CHECK(passed == 2);
    REQUIRE(coroutine.done());
    coroutine.rethrow_error();
  }
  e.clear();
  auto const homeless = pass_foreign(e, passed);
  REQUIRE(homeless.done());
  CHECK_THROWS_AS(homeless.rethrow_error(), concur::misuse);
  e.set();
}

TEST_CASE("event: what was written before set is seen by who it lets go", "[event]") {
  for (int round = 0; round < rounds(2'000); ++round) {
    event e;
    int written = 0;
    int read[2] = {};
    std::thread first([&] {
      e.wait();
      read[0] = written;
    });
    std::thread second([&] {
      while (!e.is_set()) concur::os::yield();
      read[1] = written;
    });
    written = 1;
    e.set();
    first.join();
    second.join();
    REQUIRE(read[0] == 1);
    REQUIRE(read[1] == 1);
  }
}

// Wait, clear, look: the usual way to be told of something again and again. A set that finds the flag set must still be
// ordered with the clear that undoes both: either the look sees what was done before it, or the flag stays set.
TEST_CASE("event: what is done before a set is not lost to a clear that takes it away", "[event]") {
  event changed;
  alignas(64) std::atomic<int> value{0};
  alignas(64) std::atomic<int> seen{0};
  int const times = rounds(20'000);
  int lost = 0;
  support::hammer crowd;
  crowd.add([&] {
    for (int round = 1; round <= times; ++round) {
      while (value.load(std::memory_order_relaxed) != 2 * round) {
        if (lost == 0 && !changed.wait_for(std::chrono::seconds(2)) && value.load() == 2 * round) ++lost;
        changed.clear();
      }
      seen.store(round);
    }
  });
  crowd.add([&] {
    for (int round = 1; round <= times; ++round) {
      value.store(2 * round - 1, std::memory_order_relaxed);
      changed.set();
      for (int pauses = round % 40; pauses > 0; --pauses) concur::os::spin_pause();
      value.store(2 * round, std::memory_order_relaxed);
      changed.set();
      for (concur::brief_wait other; seen.load() != round;) other.pause();
      changed.clear();
    }
  });
  crowd.run();
  CHECK(lost == 0);
}

namespace {

template <class Memory>
void the_party_that_set_lets_go_may_destroy_it(int times) {
  support::the_waiter_may_destroy_it<Memory>(
      times, [](void* place) { return new (place) event; },
      [](event& mine, int i, auto offer) {
        offer();
        if (i % 2 == 0) return mine.wait();
        while (!mine.wait_for(std::chrono::microseconds(1))) {
        }
      },
      [](event& taken, auto fall_asleep) {
        fall_asleep();
        taken.set();
      });
}

}  // namespace

TEST_CASE("event: the party that set lets go may destroy it while set returns", "[event]") {
  the_party_that_set_lets_go_may_destroy_it<support::heap_allocated>(rounds(100'000));
}

TEST_CASE("event: the party that set lets go may unmap its page while set returns", "[event]") {
  the_party_that_set_lets_go_may_destroy_it<support::own_page>(rounds(20'000));
}

namespace {

// Waits round after round; `seen` counts the rounds it was let go in, and cancelled rounds are not seen.
test_task<> pass_rounds(std::vector<std::unique_ptr<event>>& gates, std::atomic<long>& seen) {
  for (auto const& gate : gates) {
    co_await gate->async_wait();
    seen.fetch_add(1);
  }
}

}  // namespace

TEST_CASE("event: every form in one hammer, nobody misses a set", "[event]") {
  int const times = rounds(30'000);
  support::weather const with_and_without_signals(GENERATE(false, true));
  std::vector<std::unique_ptr<event>> gates;
  for (int i = 0; i < times; ++i) gates.push_back(std::make_unique<event>());
  std::atomic<long> seen{0};
  std::atomic<long> wrong{0};
  {
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    std::vector<std::unique_ptr<root_task<void>>> on_pool, on_queue;
    for (int i = 0; i < 3; ++i) {
      on_pool.push_back(spawn(pool, pass_rounds(gates, seen)));
      on_queue.push_back(spawn(here, pass_rounds(gates, seen)));
    }
    support::hammer crowd;
    crowd.add(2, [&] {
      for (auto const& gate : gates) {
        gate->wait();
        seen.fetch_add(1);
      }
    });
    crowd.add([&] {
      for (auto const& gate : gates) {
        while (!gate->wait_for(std::chrono::microseconds(20))) {
        }
        seen.fetch_add(1);
      }
    });
    crowd.add([&] {
      for (auto const& gate : gates) {
        concur::os::stop_source source;
        std::thread stopping;
        if (&gate - gates.data() < 200) stopping = std::thread([&source] { source.request_stop(); });
        if (!gate->wait(source.get_token())) gate->wait();
        seen.fetch_add(1);
        if (stopping.joinable()) stopping.join();
      }
    });
    crowd.add([&] {
      here.run_until([&] {
        for (auto const& root : on_queue) {
          if (!root->done()) return false;
        }
        return true;
      });
    });
    crowd.add([&] {
      // Cancelled ones, on the pool: they leave every gate in order for the others. When all gates are open, one may
      // have passed them before it is cancelled.
      for (int i = 0; i < times; ++i) {
        std::atomic<long> not_counted{0};
        auto const root = spawn(pool, pass_rounds(gates, not_counted));
        root->cancel();
        root->wait_until_done();
        if (!root->was_cancelled() && not_counted.load() != times) wrong.fetch_add(1);
      }
    });
    crowd.add([&] {
      for (auto const& gate : gates) {
        gate->set();
        for (int i = 0; i < 100; ++i) concur::os::spin_pause();
      }
    });
    crowd.run();
    for (auto const& root : on_pool) root->wait_until_done();
  }
  CHECK(wrong.load() == 0);
  CHECK(seen.load() == 10L * times);
}

TEST_CASE("event: one in static storage", "[event]") {
  CHECK_FALSE(in_static_storage.is_set());
  in_static_storage.set();
  CHECK(in_static_storage.is_set());
}
