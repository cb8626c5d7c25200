// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/condition.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "destroyed_when_woken.hpp"

#include <algorithm>
#include <atomic>
#include <climits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using concur::condition;
using concur::mutex;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constinit condition in_static_storage;

bool is_free(mutex& m) {
  bool const taken = m.try_lock();
  if (taken) m.unlock();
  return taken;
}

struct room {
  mutex m;
  condition changed;
  int waiting = 0;  // under m, as all below
  int value = 0;
  std::vector<int> went_on;
};

test_task<> wait_once(room& shared, int number) {
  auto lock = co_await shared.m.async_lock();
  ++shared.waiting;
  co_await shared.changed.async_wait(lock);
  shared.went_on.push_back(lock.owns_lock() ? number : -1);
}

test_task<> wait_for_value(room& shared, int wanted) {
  auto lock = co_await shared.m.async_lock();
  auto const reached = [&shared, wanted] { return shared.value >= wanted; };
  ++shared.waiting;
  co_await shared.changed.async_wait(lock, reached);
  shared.went_on.push_back(lock.owns_lock() && shared.value >= wanted ? wanted : -1);
}

// What a cancelled wait leaves: notes whether the lock is held when `cancelled` arrives.
test_task<> wait_and_look(room& shared, bool& held_when_cancelled) {
  auto lock = co_await shared.m.async_lock();
  ++shared.waiting;
  try {
    co_await shared.changed.async_wait(lock);
    shared.went_on.push_back(1);
  } catch (concur::cancelled const&) {
    held_when_cancelled = lock.owns_lock() && !is_free(shared.m);
    throw;
  }
}

using roots = std::vector<std::unique_ptr<root_task<void>>>;

// Waits until `count` threads stand in the list: each has counted itself and then given up the lock in its wait.
void await_waiting(room& shared, int count) {
  for (;;) {
    {
      std::lock_guard const hold(shared.m);
      if (shared.waiting == count) return;
    }
    concur::os::yield();
  }
}

}  // namespace

TEST_CASE("condition: a notify lets exactly so many coroutines go on, in the order of their arrival", "[condition]") {
  room shared;
  queue_executor here;
  roots all;
  for (int i = 0; i < 6; ++i) all.push_back(spawn(here, wait_once(shared, i)));
  here.run_all();
  CHECK(shared.went_on.empty());
  CHECK(is_free(shared.m));
  shared.changed.notify(0);
  here.run_all();
  CHECK(shared.went_on.empty());
  shared.changed.notify_one();
  here.run_all();
  CHECK(shared.went_on == std::vector{0});
  shared.changed.notify(2);
  here.run_all();
  CHECK(shared.went_on == std::vector{0, 1, 2});
  shared.changed.notify_all();
  here.run_all();
  CHECK(shared.went_on == std::vector{0, 1, 2, 3, 4, 5});
  CHECK(is_free(shared.m));
}

TEST_CASE("condition: a notify lets exactly so many threads go on", "[condition]") {
  for (int round = 0; round < 100; ++round) {
    room shared;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&shared] {
        std::unique_lock lock(shared.m);
        ++shared.waiting;
        shared.changed.wait(lock);
        shared.went_on.push_back(shared.value);
      });
    }
    await_waiting(shared, 4);
    shared.changed.notify(3);
    for (bool three_back = false; !three_back; concur::os::yield()) {
      std::lock_guard const hold(shared.m);
      three_back = shared.went_on.size() >= 3;
      if (three_back) shared.value = 1;
    }
    shared.changed.notify_all();
    for (auto& each : threads) each.join();
    std::sort(shared.went_on.begin(), shared.went_on.end());
    REQUIRE(shared.went_on == std::vector{0, 0, 0, 1});
  }
}

TEST_CASE("condition: a notify with nobody waiting is not remembered", "[condition]") {
  mutex m;
  condition c;
  c.notify_one();
  c.notify_all();
  std::unique_lock lock(m);
  CHECK_FALSE(c.wait_for(lock, std::chrono::milliseconds(1)));
  CHECK(lock.owns_lock());
}

TEST_CASE("condition: time limits of every kind, in vain and in time", "[condition]") {
  mutex m;
  condition c;
  bool ready = false;
  auto const is_ready = [&ready] { return ready; };
  auto const wait_for = [&](auto const& length) {
    std::unique_lock lock(m);
    return c.wait_for(lock, length, is_ready);
  };
  auto const wait_until = [&](auto const& moment) {
    std::unique_lock lock(m);
    return c.wait_until(lock, moment, is_ready);
  };
  auto const set_ready = [&](bool value) {
    std::lock_guard const hold(m);
    ready = value;
    c.notify_one();
  };
  support::check_limits_in_vain(wait_for, wait_until);
  support::check_limits_in_time(wait_for, wait_until, [&] { set_ready(false); }, [&] { set_ready(true); });
  support::check_limits_at_once(wait_for, wait_until, [] {});

  auto const wait_any_for = [&](auto const& length) {
    std::unique_lock lock(m);
    bool const notified = c.wait_for(lock, length);
    return notified || !lock.owns_lock();
  };
  auto const wait_any_until = [&](auto const& moment) {
    std::unique_lock lock(m);
    bool const notified = c.wait_until(lock, moment);
    return notified || !lock.owns_lock();
  };
  support::check_limits_in_vain(wait_any_for, wait_any_until);
  CHECK(is_free(m));
}

TEST_CASE("condition: a stop ends the wait, with the lock held", "[condition]") {
  for (int round = 0; round < rounds(500); ++round) {
    mutex m;
    condition c;
    concur::os::stop_source source;
    bool notified = true, said = true, held = false;
    std::thread waiting([&] {
      std::unique_lock lock(m);
      notified = c.wait(lock, source.get_token());
      said = c.wait(lock, source.get_token(), [] { return false; });
      held = lock.owns_lock() && !std::unique_lock(m, std::defer_lock).owns_lock();
    });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(notified);
    REQUIRE_FALSE(said);
    REQUIRE(held);
    std::unique_lock lock(m);
    REQUIRE(c.wait(lock, source.get_token(), [] { return true; }));
  }
}

TEST_CASE("condition: a predicate that holds is asked once and does not wait", "[condition]") {
  mutex m;
  condition c;
  int asked = 0;
  auto const holds = [&asked] { return ++asked > 0; };
  std::unique_lock lock(m);
  c.wait(lock, holds);
  CHECK(asked == 1);
  CHECK(c.wait_for(lock, std::chrono::hours(1), holds));
  CHECK(asked == 2);
}

TEST_CASE("condition: with a predicate only the content go on, the others keep waiting", "[condition]") {
  auto const order = GENERATE(ready_order::first_in_first_out, ready_order::last_in_first_out, ready_order::shuffled);
  room shared;
  queue_executor here(order);
  roots all;
  for (int i = 1; i <= 4; ++i) all.push_back(spawn(here, wait_for_value(shared, i)));
  here.run_all();
  for (int value = 0; value <= 4; ++value) {
    {
      std::lock_guard const hold(shared.m);
      shared.value = value;
    }
    shared.changed.notify_all();
    here.run_all();
    CHECK(shared.went_on.size() == std::size_t(value));
  }
  for (auto const& root : all) CHECK(root->done());
  CHECK(std::count(shared.went_on.begin(), shared.went_on.end(), -1) == 0);
  CHECK(is_free(shared.m));
}

namespace {

struct predicate_failed {};

test_task<> wait_with_failing_predicate(room& shared, int fails_at, bool& held) {
  auto lock = co_await shared.m.async_lock();
  int asked = 0;
  auto const ready = [&asked, fails_at]() -> bool {
    if (++asked == fails_at) throw predicate_failed();
    return false;
  };
  try {
    co_await shared.changed.async_wait(lock, ready);
  } catch (predicate_failed const&) {
    held = lock.owns_lock() && !is_free(shared.m);
    throw;
  }
}

}  // namespace

TEST_CASE("condition: what the predicate throws comes out of the wait, with the lock held", "[condition]") {
  for (int fails_at : {1, 2, 3}) {
    room shared;
    queue_executor here;
    bool held = false;
    auto const root = spawn(here, wait_with_failing_predicate(shared, fails_at, held));
    here.run_all();
    for (int notified = 1; notified < fails_at; ++notified) {
      CHECK_FALSE(root->done());
      shared.changed.notify_all();
      here.run_all();
    }
    REQUIRE(root->done());
    CHECK(held);
    CHECK_THROWS_AS(root->result(), predicate_failed);
    CHECK(is_free(shared.m));
  }
  mutex m;
  condition c;
  std::unique_lock lock(m);
  CHECK_THROWS_AS(c.wait(lock, []() -> bool { throw predicate_failed(); }), predicate_failed);
  CHECK(lock.owns_lock());
}

TEST_CASE("condition: a cancelled wait throws with the lock held, and leaves the others waiting", "[condition]") {
  room shared;
  queue_executor here;
  bool held = false;
  auto const first = spawn(here, wait_once(shared, 0));
  auto const leaving = spawn(here, wait_and_look(shared, held));
  auto const last = spawn(here, wait_once(shared, 2));
  here.run_all();
  leaving->cancel();
  here.run_all();
  REQUIRE(leaving->done());
  CHECK(leaving->was_cancelled());
  CHECK(held);
  CHECK(shared.went_on.empty());
  shared.changed.notify_all();
  here.run_all();
  CHECK(shared.went_on == std::vector{0, 2});
  CHECK(is_free(shared.m));
}

TEST_CASE("condition: a cancelled wait stands in line for the lock", "[condition]") {
  room shared;
  queue_executor here;
  bool held = false;
  auto const root = spawn(here, wait_and_look(shared, held));
  here.run_all();
  shared.m.lock();
  root->cancel();
  here.run_all();
  CHECK_FALSE(root->done());
  root->cancel();
  shared.m.unlock();
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  CHECK(held);
}

TEST_CASE("condition: a task cancelled before it waits does not wait", "[condition]") {
  for (int when : {0, 1}) {
    room shared;
    queue_executor here;
    bool held = false;
    if (when == 1) shared.m.lock();
    auto const root = spawn(here, wait_and_look(shared, held));
    if (when == 1) {
      here.run_all();
      shared.m.unlock();  // it has the lock now, but has not run
    }
    root->cancel();
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    CHECK(held == (when == 1));  // the first await of a cancelled task is the lock's
    CHECK(is_free(shared.m));
  }
}

namespace {

test_task<> wait_and_be_cancelled(room& shared, bool& held) {
  auto lock = co_await shared.m.async_lock();
  auto const make = [&shared, &lock] { return shared.changed.async_wait(lock); };
  try {
    co_await support::cancel_before_publish(make);
  } catch (concur::cancelled const&) {
    held = lock.owns_lock() && !is_free(shared.m);
    throw;
  }
}

}  // namespace

TEST_CASE("condition: a task cancelled after it has decided to wait is refused, with the lock held", "[condition]") {
  room shared;
  queue_executor here;
  bool held = false;
  auto const root = spawn(here, wait_and_be_cancelled(shared, held));
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  CHECK(held);
  CHECK(is_free(shared.m));
}

TEST_CASE("condition: a notify beats a cancel that comes before the task has the lock again", "[condition]") {
  room shared;
  queue_executor here;
  bool held = false;
  auto const root = spawn(here, wait_and_look(shared, held));
  here.run_all();
  shared.m.lock();
  shared.changed.notify_one();
  root->cancel();
  here.run_all();
  CHECK_FALSE(root->done());
  root->cancel();
  shared.m.unlock();
  here.run_all();
  REQUIRE(root->done());
  CHECK(shared.went_on == std::vector{1});
  CHECK_FALSE(root->error());
}

TEST_CASE("condition: a notified task whose predicate is not content is refused its next wait", "[condition]") {
  room shared;
  queue_executor here;
  auto const root = spawn(here, wait_for_value(shared, 1));
  here.run_all();
  shared.changed.notify_one();
  root->cancel();
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  CHECK(is_free(shared.m));
}

TEST_CASE("condition: a notify that comes with the limit or a stop has succeeded", "[condition]") {
  mutex m;
  condition c;
  auto const notify = [&c] { c.notify_one(); };
  support::fake_fiber fiber(notify, support::fake_fiber::limit_passes);
  CHECK(fiber.run([&] {
    std::unique_lock lock(m);
    return c.wait_for(lock, std::chrono::seconds(1));
  }));
  CHECK(fiber.wakes() == 1);

  concur::os::stop_source source;
  support::fake_fiber stopped([&] {
    c.notify_one();
    source.request_stop();
  });
  CHECK(stopped.run([&] {
    std::unique_lock lock(m);
    return c.wait(lock, source.get_token());
  }));
  CHECK(stopped.wakes() == 1);

  support::fake_fiber late([] {}, support::fake_fiber::limit_passes);
  CHECK_FALSE(late.run([&] {
    std::unique_lock lock(m);
    return c.wait_for(lock, std::chrono::seconds(1));
  }));
  CHECK(late.wakes() == 0);
  CHECK(is_free(m));
}

namespace {

// A lock of a user's own: the least a wait needs.
class basic_lockable {
 public:
  void lock() {
    mutex_.lock();
    ++locks;
  }
  void unlock() {
    ++unlocks;
    mutex_.unlock();
  }
  int locks = 0, unlocks = 0;

 private:
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("condition: it waits with a mutex itself, a standard mutex and a user's lock", "[condition]") {
  condition c;
  bool ready = false;
  auto const wait_with = [&](auto& lockable) {
    ready = false;
    std::thread notifying([&] {
      lockable.lock();
      ready = true;
      lockable.unlock();
      c.notify_all();
    });
    lockable.lock();
    c.wait(lockable, [&] { return ready; });
    CHECK_FALSE(c.wait_for(lockable, std::chrono::microseconds(10)));
    lockable.unlock();
    notifying.join();
  };
  mutex ours;
  wait_with(ours);
  std::mutex theirs;
  wait_with(theirs);
  std::recursive_mutex recursive;
  wait_with(recursive);
  basic_lockable own;
  wait_with(own);
  CHECK(own.locks == own.unlocks);
  CHECK(own.locks >= 3);
}

namespace {

support::foreign_coroutine wait_foreign(room& shared) {
  auto lock = co_await shared.m.async_lock();
  auto const ready = [&shared] { return shared.value == 1; };
  co_await shared.changed.async_wait(lock, ready);
  shared.went_on.push_back(lock.owns_lock() ? 1 : -1);
  co_await shared.changed.async_wait(lock);
  shared.went_on.push_back(lock.owns_lock() ? 2 : -2);
}

}  // namespace

TEST_CASE("condition: a foreign coroutine waits on the executor of its thread", "[condition]") {
  room shared;
  queue_executor here;
  concur::executor_scope const this_thread(here);
  auto const coroutine = wait_foreign(shared);
  CHECK(is_free(shared.m));
  shared.changed.notify_one();
  here.run_all();
  CHECK(shared.went_on.empty());
  shared.value = 1;
  shared.changed.notify_one();
  here.run_all();
  CHECK(shared.went_on == std::vector{1});
  shared.changed.notify_one();
  here.run_all();
  CHECK(shared.went_on == std::vector{1, 2});
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
  CHECK(is_free(shared.m));
}

namespace {

template <class Memory>
void who_was_notified_may_destroy_it(int times) {
  mutex m;
  support::the_waiter_may_destroy_it<Memory>(
      times, [](void* place) { return new (place) condition; },
      [&m](condition& mine, int, auto offer) {
        std::unique_lock lock(m);
        offer();
        mine.wait(lock);
      },
      [&m](condition& other, auto fall_asleep) {
        m.lock();  // it has given up the lock, so it waits
        m.unlock();
        fall_asleep();
        other.notify_one();
      });
}

}  // namespace

TEST_CASE("condition: who was notified may destroy it while notify returns", "[condition]") {
  who_was_notified_may_destroy_it<support::heap_allocated>(rounds(50'000));
}

TEST_CASE("condition: who was notified may unmap its page while notify returns", "[condition]") {
  who_was_notified_may_destroy_it<support::own_page>(rounds(20'000));
}

namespace {

// Items under a mutex. Each is announced by exactly one notify, so one notify lost is a party that sleeps for ever.
class store {
 public:
  void put(int count, bool locked_notify) {
    std::unique_lock lock(mutex_);
    items_ += count;
    if (!locked_notify) lock.unlock();
    not_empty_.notify(std::size_t(count));
  }

  void take() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [this] { return items_ > 0; });
    take_one();
  }
  bool take(concur::os::stop_token const& stop) {
    std::unique_lock lock(mutex_);
    if (!not_empty_.wait(lock, stop, [this] { return items_ > 0; })) return false;
    take_one();
    return true;
  }
  bool take_for(std::chrono::microseconds limit) {
    std::unique_lock lock(mutex_);
    if (!not_empty_.wait_for(lock, limit, [this] { return items_ > 0; })) return false;
    take_one();
    return true;
  }
  test_task<> async_take(int times, std::atomic<int>* taken) {
    auto const not_empty = [this] { return items_ > 0; };
    for (int i = 0; i < times; ++i) {
      auto lock = co_await mutex_.async_lock();
      co_await not_empty_.async_wait(lock, not_empty);
      take_one();
      if (taken != nullptr) taken->fetch_add(1);
    }
  }

  int items() {
    std::lock_guard const hold(mutex_);
    return items_;
  }
  bool went_below_zero() const { return below_zero_.load(); }

 private:
  void take_one() {
    if (--items_ < 0) below_zero_.store(true);
  }

  mutex mutex_;
  condition not_empty_;
  int items_ = 0;
  std::atomic<bool> below_zero_{false};
};

}  // namespace

TEST_CASE("condition: every form in one hammer, each item is taken once and nobody is left waiting", "[condition]") {
  int const times = rounds(40'000);
  constexpr int takers = 9;
  support::weather const with_and_without_signals(GENERATE(false, true));
  store shared;
  std::atomic<int> wrong{0};
  {
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    roots on_pool, on_queue;
    for (int i = 0; i < 2; ++i) {
      on_pool.push_back(spawn(pool, shared.async_take(times, nullptr)));
      on_queue.push_back(spawn(here, shared.async_take(times, nullptr)));
    }
    support::hammer crowd;
    crowd.add(2, [&] {
      for (int i = 0; i < times; ++i) shared.take();
    });
    crowd.add(2, [&] {
      for (int i = 0; i < times;) i += shared.take_for(std::chrono::microseconds(i % 40)) ? 1 : 0;
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        concur::os::stop_source source;
        std::thread stopping;
        if (i % 400 == 0) stopping = std::thread([&source] { source.request_stop(); });
        if (!shared.take(source.get_token())) shared.take();
        if (stopping.joinable()) stopping.join();
      }
    });
    crowd.add([&] { here.run_until([&] { return on_queue[0]->done() && on_queue[1]->done(); }); });
    crowd.add([&] {
      // Cancelled takers give back what they took.
      for (int i = 0; i < times / 10; ++i) {
        std::atomic<int> taken{0};
        auto const root = spawn(pool, shared.async_take(INT_MAX, &taken));
        for (int pause = i % 200; pause > 0; --pause) concur::os::spin_pause();
        root->cancel();
        root->wait_until_done();
        if (!root->was_cancelled()) wrong.fetch_add(1);
        if (int const count = taken.load(); count != 0) shared.put(count, i % 2 == 0);
      }
    });
    crowd.add(3, [&] {
      for (int i = 0; i < takers / 3 * times; ++i) shared.put(1, i % 2 == 0);
    });
    crowd.run();
    for (auto const& root : on_pool) root->wait_until_done();
  }
  CHECK(wrong.load() == 0);
  CHECK_FALSE(shared.went_below_zero());
  CHECK(shared.items() == 0);
}

TEST_CASE("condition: one in static storage", "[condition]") {
  in_static_storage.notify_all();
  mutex m;
  std::unique_lock lock(m);
  CHECK_FALSE(in_static_storage.wait_for(lock, std::chrono::nanoseconds(1)));
}
