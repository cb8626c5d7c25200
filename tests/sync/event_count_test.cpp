// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/event_count.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <atomic>
#include <climits>
#include <memory>
#include <thread>
#include <vector>

namespace {

using concur::event_count;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constinit event_count in_static_storage;

// Items without a lock: taken one by one, never below zero.
class items {
 public:
  bool try_take() noexcept {
    for (int count = count_.load(std::memory_order_relaxed); count > 0;) {
      if (count_.compare_exchange_weak(count, count - 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void put(int count) noexcept { count_.fetch_add(count, std::memory_order_release); }
  int count() const noexcept { return count_.load(); }

 private:
  std::atomic<int> count_{0};
};

struct predicate_failed {};

test_task<> take(event_count& not_empty, items& shared, int& taken) {
  auto const ready = [&shared] { return shared.try_take(); };
  co_await not_empty.async_wait(ready);
  ++taken;
}

// `ready` throws when it is asked for the n-th time.
test_task<> fail(event_count& not_empty, int fails_at) {
  int asked = 0;
  auto const ready = [&asked, fails_at]() -> bool {
    if (++asked == fails_at) throw predicate_failed();
    return false;
  };
  co_await not_empty.async_wait(ready);
}

support::foreign_coroutine take_foreign(event_count& not_empty, items& shared, int& taken) {
  auto const ready = [&shared] { return shared.try_take(); };
  co_await not_empty.async_wait(ready);
  ++taken;
  co_await not_empty.async_wait(ready);
  ++taken;
}

}  // namespace

TEST_CASE("event_count: a notify without sleepers is nothing, and a ready party does not sleep", "[event_count]") {
  event_count e;
  e.notify_one();
  e.notify_all();
  int asked = 0;
  auto const ready = [&asked] { return ++asked > 0; };
  e.wait(ready);
  CHECK(asked == 1);
  CHECK(e.wait_for(std::chrono::hours(1), ready));
  CHECK(asked == 2);
  in_static_storage.notify_all();
}

TEST_CASE("event_count: time limits of every kind, in vain and in time", "[event_count]") {
  event_count e;
  items shared;
  auto const ready = [&shared] { return shared.try_take(); };
  auto const wait_for = [&](auto const& length) { return e.wait_for(length, ready); };
  auto const wait_until = [&](auto const& moment) { return e.wait_until(moment, ready); };
  support::check_limits_in_vain(wait_for, wait_until);
  auto const give = [&] {
    shared.put(1);
    e.notify_one();
  };
  support::check_limits_in_time(wait_for, wait_until, [] {}, give);
  CHECK(shared.count() == 0);
  give();
  support::check_limits_at_once(wait_for, wait_until, give);
  CHECK(shared.count() == 1);
}

TEST_CASE("event_count: a stop ends the wait after a last look", "[event_count]") {
  for (int round = 0; round < rounds(500); ++round) {
    event_count e;
    items shared;
    auto const ready = [&shared] { return shared.try_take(); };
    concur::os::stop_source source;
    bool taken = true;
    std::thread waiting([&] { taken = e.wait(source.get_token(), ready); });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(taken);
    REQUIRE_FALSE(e.wait(source.get_token(), ready));
    shared.put(1);
    REQUIRE(e.wait(source.get_token(), ready));
  }
}

TEST_CASE("event_count: sleepers are told in the order in which they went to sleep", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  int taken[4] = {};
  std::vector<std::unique_ptr<root_task<void>>> roots;
  for (int& each : taken) roots.push_back(spawn(here, take(e, shared, each)));
  here.run_all();
  shared.put(1);
  e.notify_one();
  here.run_all();
  CHECK(taken[0] == 1);
  shared.put(2);
  e.notify(2);
  here.run_all();
  CHECK(taken[1] + taken[2] == 2);
  CHECK(taken[3] == 0);
  e.notify_all();  // for nothing
  here.run_all();
  CHECK(taken[3] == 0);
  shared.put(1);
  e.notify_all();
  here.run_all();
  CHECK(taken[3] == 1);
}

TEST_CASE("event_count: a cancel ends the wait unless there is something to take", "[event_count]") {
  for (bool something : {false, true}) {
    for (bool notified : {false, true}) {
      event_count e;
      queue_executor here;
      items shared;
      int taken = 0;
      auto const root = spawn(here, take(e, shared, taken));
      here.run_all();
      if (something) shared.put(1);
      if (notified) e.notify_one();
      root->cancel();
      here.run_all();
      REQUIRE(root->done());
      CHECK(root->was_cancelled() == !something);
      CHECK(taken == int(something));
      CHECK(shared.count() == 0);
    }
  }
}

TEST_CASE("event_count: a task cancelled before it waits takes nothing", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  shared.put(1);
  int taken = 0;
  auto const root = spawn(here, take(e, shared, taken));
  root->cancel();
  here.run_all();
  CHECK(root->was_cancelled());
  CHECK(taken == 0);
  CHECK(shared.count() == 1);
}

namespace {

test_task<> wait_and_be_cancelled(event_count& not_empty, items& shared) {
  auto const ready = [&shared] { return shared.try_take(); };
  auto const make = [&not_empty, &ready] { return not_empty.async_wait(ready); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("event_count: a task cancelled after it has decided to wait is refused", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  auto const root = spawn(here, wait_and_be_cancelled(e, shared));
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
}

TEST_CASE("event_count: a party whose predicate throws passes the hint on", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  int taken = 0;
  // Asked before it enters the list, again when it has, and then because of the hint.
  auto const failing = spawn(here, fail(e, 3));
  auto const other = spawn(here, take(e, shared, taken));
  here.run_all();
  CHECK_FALSE(failing->done());
  shared.put(1);
  e.notify_one();
  here.run_all();
  REQUIRE(failing->done());
  CHECK_THROWS_AS(failing->result(), predicate_failed);
  CHECK(taken == 1);
  CHECK(other->done());
}

TEST_CASE("event_count: what the predicate throws comes out of the wait, whenever it is asked", "[event_count]") {
  event_count e;
  queue_executor here;
  for (int fails_at : {1, 2}) {
    auto const root = spawn(here, fail(e, fails_at));
    here.run_all();
    REQUIRE(root->done());
    CHECK_THROWS_AS(root->result(), predicate_failed);
  }
  // A thread asks many times while it spins; each time may be the one.
  for (int fails_at = 1; fails_at < 80; ++fails_at) {
    int asked = 0;
    auto const ready = [&]() -> bool {
      if (++asked == fails_at) throw predicate_failed();
      return false;
    };
    support::fake_fiber fiber([&] { e.notify_all(); });
    CHECK_THROWS_AS(fiber.run([&] { e.wait(ready); }), predicate_failed);
  }
  // It has left the list on every way out: nobody is told any more.
  e.notify_all();
}

TEST_CASE("event_count: a thread whose predicate throws because of a hint passes it on", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  int taken = 0;
  bool hinted = false;
  auto const ready = [&hinted]() -> bool {
    if (hinted) throw predicate_failed();
    return false;
  };
  std::unique_ptr<root_task<void>> other;
  support::fake_fiber fiber([&] {
    other = spawn(here, take(e, shared, taken));
    here.run_all();
    hinted = true;
    shared.put(1);
    e.notify_one();  // for the fiber, which came first
  });
  CHECK_THROWS_AS(fiber.run([&] { e.wait(ready); }), predicate_failed);
  here.run_all();
  CHECK(taken == 1);
}

namespace {

// Asked for the second time it stands in the list already: there things happen, and then it takes what there is.
template <class Meanwhile>
test_task<> take_at_second_look(event_count& not_empty, items& shared, Meanwhile& meanwhile) {
  int asked = 0;
  auto const ready = [&asked, &shared, &meanwhile] {
    if (++asked == 2) meanwhile();
    return asked >= 2 && shared.try_take();
  };
  co_await not_empty.async_wait(ready);
}

}  // namespace

TEST_CASE("event_count: a party that finds what it wants while a notify has chosen it passes the hint on",
          "[event_count]") {
  event_count e;
  queue_executor here, elsewhere;
  items shared;
  int taken = 0;
  std::unique_ptr<root_task<void>> other;
  auto meanwhile = [&] {
    other = spawn(elsewhere, take(e, shared, taken));
    elsewhere.run_all();  // it stands in the list behind
    shared.put(2);
    e.notify_one();  // chooses the first, which needs no hint
  };
  auto const first = spawn(here, take_at_second_look(e, shared, meanwhile));
  here.run_all();
  REQUIRE(first->done());
  elsewhere.run_all();
  REQUIRE(other->done());
  CHECK(taken == 1);
  CHECK(shared.count() == 0);
}

TEST_CASE("event_count: a thread that leaves at its limit when a notify has chosen it looks again", "[event_count]") {
  event_count e;
  items shared;
  auto const ready = [&shared] { return shared.try_take(); };
  support::fake_fiber fiber(
      [&] {
        shared.put(1);
        e.notify_one();
      },
      support::fake_fiber::limit_passes);
  CHECK(fiber.run([&] { return e.wait_for(std::chrono::seconds(1), ready); }));
  CHECK(fiber.wakes() == 1);
}

TEST_CASE("event_count: a thread looks once more when its limit has passed", "[event_count]") {
  event_count e;
  items shared;
  auto const ready = [&shared] { return shared.try_take(); };
  support::fake_fiber fiber([&shared] { shared.put(1); });  // the notify is still to come
  CHECK(fiber.run([&] { return e.wait_for(std::chrono::seconds(1), ready); }));
  CHECK(fiber.wakes() == 0);
  e.notify_one();
}

TEST_CASE("event_count: a foreign coroutine waits on the executor of its thread", "[event_count]") {
  event_count e;
  queue_executor here;
  items shared;
  shared.put(1);
  int taken = 0;
  concur::executor_scope const this_thread(here);
  auto const coroutine = take_foreign(e, shared, taken);
  CHECK(taken == 1);
  e.notify_one();
  here.run_all();
  CHECK(taken == 1);
  shared.put(1);
  e.notify_one();
  here.run_all();
  CHECK(taken == 2);
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
}

namespace {

test_task<> take_often(event_count& not_empty, items& shared, int times, std::atomic<int>* taken) {
  auto const ready = [&shared] { return shared.try_take(); };
  for (int i = 0; i < times; ++i) {
    co_await not_empty.async_wait(ready);
    if (taken != nullptr) taken->fetch_add(1);
  }
}

}  // namespace

TEST_CASE("event_count: every form in one hammer, each item is taken once and nobody is left asleep", "[event_count]") {
  int const times = rounds(80'000);
  constexpr int takers = 9;
  support::weather const with_and_without_signals(GENERATE(false, true));
  event_count not_empty;
  items shared;
  std::atomic<int> wrong{0};
  auto const ready = [&shared] { return shared.try_take(); };
  {
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    std::vector<std::unique_ptr<root_task<void>>> on_pool, on_queue;
    for (int i = 0; i < 2; ++i) {
      on_pool.push_back(spawn(pool, take_often(not_empty, shared, times, nullptr)));
      on_queue.push_back(spawn(here, take_often(not_empty, shared, times, nullptr)));
    }
    support::hammer crowd;
    crowd.add(2, [&] {
      for (int i = 0; i < times; ++i) not_empty.wait(ready);
    });
    crowd.add(2, [&] {
      for (int i = 0; i < times;) i += not_empty.wait_for(std::chrono::microseconds(i % 40), ready) ? 1 : 0;
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        concur::os::stop_source source;
        std::thread stopping;
        if (i % 800 == 0) stopping = std::thread([&source] { source.request_stop(); });
        if (!not_empty.wait(source.get_token(), ready)) not_empty.wait(ready);
        if (stopping.joinable()) stopping.join();
      }
    });
    crowd.add([&] { here.run_until([&] { return on_queue[0]->done() && on_queue[1]->done(); }); });
    crowd.add([&] {
      // Cancelled takers give back what they took.
      for (int i = 0; i < times / 10; ++i) {
        std::atomic<int> taken{0};
        auto const root = spawn(pool, take_often(not_empty, shared, INT_MAX, &taken));
        for (int pause = i % 200; pause > 0; --pause) concur::os::spin_pause();
        root->cancel();
        root->wait_until_done();
        if (!root->was_cancelled()) wrong.fetch_add(1);
        if (int const count = taken.load(); count != 0) {
          shared.put(count);
          not_empty.notify(std::size_t(count));
        }
      }
    });
    crowd.add(3, [&] {
      for (int i = 0; i < takers / 3 * times; ++i) {
        shared.put(1);
        not_empty.notify_one();
      }
    });
    crowd.run();
    for (auto const& root : on_pool) root->wait_until_done();
  }
  CHECK(wrong.load() == 0);
  CHECK(shared.count() == 0);
}
