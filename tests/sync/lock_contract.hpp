// SPDX-License-Identifier: BSL-1.0
//
// What every lock of the library promises, as tests over its type. A test file calls them from its test cases:
//
//     TEST_CASE("mutex: threads and coroutines exclude each other", "[mutex]") {
//       lock_contract<concur::mutex>::threads_and_coroutines_exclude_each_other();
//     }
//
// A lock is TimedLockable, has `lock(stop_token)`, and `async_lock` that gives a std::unique_lock of it.
#pragma once

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "destroyed_when_woken.hpp"

#include <concur/core/os.hpp>

#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <stop_token>
#include <thread>
#include <vector>

namespace support::inline CONCUR_ABI {

template <class Lock>
class lock_contract {
 public:
  // A plain counter under the lock, and what its users say they have added.
  struct counted {
    Lock lock;
    long value = 0;
    std::atomic<long> expected{0};
    std::atomic<int> inside{0};
    std::atomic<bool> overlapped{false};
    std::atomic<int> not_cancelled{0};

    // Called with the lock held.
    void add_one() {
      if (inside.fetch_add(1, std::memory_order_relaxed) != 0) overlapped.store(true, std::memory_order_relaxed);
      ++value;
      inside.fetch_sub(1, std::memory_order_relaxed);
      expected.fetch_add(1, std::memory_order_relaxed);
    }

    void check() {
      CHECK_FALSE(overlapped.load());
      CHECK(not_cancelled.load() == 0);
      CHECK(value == expected.load());
      REQUIRE(is_free(lock));
    }
  };

  static bool is_free(Lock& lock) {
    bool const taken = lock.try_lock();
    if (taken) lock.unlock();
    return taken;
  }

  static test_task<> add_often(counted& shared, int times) {
    for (int i = 0; i < times; ++i) {
      auto const guard = co_await shared.lock.async_lock();
      shared.add_one();
    }
  }

  static void lock_often(counted& shared, int times) {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const guard(shared.lock);
      shared.add_one();
    }
  }

  static void lock_in_time(counted& shared, int times) {
    for (int i = 0; i < times; ++i) {
      if (!shared.lock.try_lock_for(std::chrono::microseconds(i % 64))) continue;
      shared.add_one();
      shared.lock.unlock();
    }
  }

  static void threads_exclude_each_other() {
    counted shared;
    hammer crowd;
    crowd.add(4, [&shared] { lock_often(shared, rounds(200'000)); });
    crowd.run();
    CHECK(shared.value == 4 * rounds(200'000));
    shared.check();
  }

  static void threads_and_coroutines_exclude_each_other() {
    int const times = rounds(50'000);
    counted shared;
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    std::vector<std::unique_ptr<root_task<void>>> roots;
    for (int i = 0; i < 3; ++i) {
      roots.push_back(spawn(here, add_often(shared, times)));
      roots.push_back(spawn(pool, add_often(shared, times)));
    }
    hammer crowd;
    crowd.add(2, [&] { lock_often(shared, times); });
    crowd.add([&] {
      for (auto const& root : roots) {
        if (&root->where() == &here) here.run_until([&] { return root->done(); });
      }
    });
    crowd.run();
    for (auto const& root : roots) root->wait_until_done();
    CHECK(shared.value == 8 * times);
    shared.check();
  }

  // Every form at once, while signals rain: threads plain, timed and with stop tokens, coroutines on one thread and on
  // several, and coroutines that are cancelled by a thread of somebody else's.
  static void every_form_in_one_hammer() {
    counted shared;
    bool const signals = GENERATE(false, true);
    weather const with_and_without_signals(signals);
    long const signals_before = signal_storm::count();
    int const times = rounds(50'000);
    {
      threads_executor pool(2);
      queue_executor here(ready_order::last_in_first_out);
      auto const on_pool = spawn(pool, add_often(shared, times));
      auto const on_queue = spawn(here, add_often(shared, times));
      auto const also_on_queue = spawn(here, add_often(shared, times));
      stopper stops;
      hammer crowd;
      crowd.add(2, [&] { lock_often(shared, times); });
      crowd.add([&] { lock_in_time(shared, times); });
      crowd.add([&] {
        for (int i = 0; i < times; ++i) {
          auto const stop = stops.next();
          if (!shared.lock.lock(stop)) continue;
          shared.add_one();
          shared.lock.unlock();
        }
        stops.close();
      });
      crowd.add([&] { stops.request_until_closed(); });
      crowd.add([&] { here.run_until([&] { return on_queue->done() && also_on_queue->done(); }); });
      crowd.add([&] { cancel_often(shared, pool, times / 10); });
      crowd.run();
      on_pool->wait_until_done();
      CHECK_FALSE(on_pool->error());
      CHECK_FALSE(on_queue->error());
    }
    CHECK(shared.value >= 5 * times);
    shared.check();
    if (signals) CHECK(signal_storm::count() > signals_before);
  }

  static void cancel_often(counted& shared, concur::executor& where, int times) {
    for (int i = 0; i < times; ++i) {
      auto const root = spawn(where, add_often(shared, INT_MAX));
      for (int pause = i % 50; pause > 0; --pause) concur::os::spin_pause();
      root->cancel();
      root->wait_until_done();
      if (!root->was_cancelled()) shared.not_cancelled.fetch_add(1);
    }
  }

  static void the_standards_guards_work() {
    Lock first, second;
    {
      std::lock_guard const guard(first);
      std::unique_lock deferred(second, std::defer_lock);
      CHECK(deferred.try_lock());
      deferred.unlock();
      CHECK(deferred.try_lock_for(std::chrono::milliseconds(1)));
      CHECK_FALSE(is_free_elsewhere(first));
      CHECK_FALSE(is_free_elsewhere(second));
    }
    CHECK(is_free_elsewhere(first));
    CHECK(is_free_elsewhere(second));

    long both = 0;
    hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < rounds(10'000); ++i) {
        std::scoped_lock const guard(first, second);
        ++both;
      }
    });
    crowd.add([&] {
      for (int i = 0; i < rounds(10'000); ++i) {
        std::scoped_lock const guard(second, first);
        ++both;
      }
    });
    crowd.run();
    CHECK(both == 2 * rounds(10'000));
    CHECK(is_free(first));
    CHECK(is_free(second));
  }

  static void a_standard_condition_variable_works_with_it() {
    Lock lock;
    std::condition_variable_any changed;
    int turn = 0;
    int const last = rounds(2'000);
    hammer crowd;
    for (int parity : {0, 1}) {
      crowd.add([&, parity] {
        std::unique_lock guard(lock);
        while (turn < last) {
          changed.wait(guard, [&] { return turn >= last || turn % 2 == parity; });
          ++turn;
          changed.notify_one();
        }
        changed.notify_all();
      });
    }
    crowd.run();
    CHECK(turn >= last);
    CHECK(is_free(lock));
  }

  static void time_limits() {
    Lock lock;
    auto const try_for = [&lock](auto const& length) { return lock.try_lock_for(length); };
    auto const try_until = [&lock](auto const& moment) { return lock.try_lock_until(moment); };
    check_limits_at_once(try_for, try_until, [&lock] { lock.unlock(); });
    {
      held_by_another_thread const holder(lock);
      check_limits_in_vain(try_for, try_until);
    }
    CHECK(is_free(lock));
  }

  static void what_is_unlocked_in_time_is_locked() {
    Lock lock;
    // Each attempt gives its lock back, so that any thread may be the next.
    auto const and_unlock = [&lock](bool locked) {
      if (locked) lock.unlock();
      return locked;
    };
    check_limits_in_time([&](auto const& length) { return and_unlock(lock.try_lock_for(length)); },
                         [&](auto const& moment) { return and_unlock(lock.try_lock_until(moment)); },
                         [&lock] { lock.lock(); }, [&lock] { lock.unlock(); });
    CHECK(is_free(lock));
  }

  static void a_stop_that_was_requested_before() {
    concur::os::stop_source source;
    source.request_stop();
    Lock lock;
    CHECK(lock.lock(source.get_token()));  // free: taken in any case
    bool locked = true;
    std::thread([&] { locked = lock.lock(source.get_token()); }).join();
    CHECK_FALSE(locked);
    lock.unlock();
    CHECK(is_free(lock));
  }

  static void a_stop_ends_the_wait_and_only_the_wait() {
    Lock lock;
    lock.lock();
    concur::os::stop_source source;
    bool locked = true;
    std::thread waiting([&] { locked = lock.lock(source.get_token()); });
    source.request_stop();
    waiting.join();
    CHECK_FALSE(locked);

    // A token that is never asked to stop, and one that cannot be.
    for (auto const& token : {concur::os::stop_source().get_token(), concur::os::stop_token()}) {
      std::thread patient([&] {
        locked = lock.lock(token);
        lock.unlock();
      });
      lock.unlock();
      patient.join();
      CHECK(locked);
      lock.lock();
    }
    lock.unlock();
    CHECK(is_free(lock));
  }

  static void what_comes_with_the_limit_or_a_stop_is_locked() {
    Lock lock;
    lock.lock();
    fake_fiber fiber([&lock] { lock.unlock(); }, fake_fiber::limit_passes);
    bool locked = fiber.run([&lock] {
      bool const in_time = lock.try_lock_for(std::chrono::seconds(1));
      if (in_time) lock.unlock();
      return in_time;
    });
    CHECK(locked);
    CHECK(fiber.wakes() == 1);

    lock.lock();
    concur::os::stop_source source;
    fake_fiber stopped([&] {
      lock.unlock();
      source.request_stop();
    });
    locked = stopped.run([&] {
      bool const in_time = lock.lock(source.get_token());
      if (in_time) lock.unlock();
      return in_time;
    });
    CHECK(locked);

    lock.lock();
    fake_fiber late([] {});
    CHECK_FALSE(late.run([&lock] { return lock.try_lock_for(std::chrono::seconds(1)); }));
    lock.unlock();
    CHECK(late.wakes() == 0);
    CHECK(is_free(lock));
  }

  // One thread locks and unlocks in a tight loop; the other gets its turn, again and again.
  static void nobody_starves() {
    Lock lock;
    std::atomic<bool> finished{false};
    std::atomic<long> greedy_turns{0};
    std::thread greedy([&] {
      while (!finished.load(std::memory_order_relaxed)) {
        std::lock_guard const guard(lock);
        for (int i = 0; i < 500; ++i) concur::os::spin_pause();
        greedy_turns.fetch_add(1, std::memory_order_relaxed);
      }
    });
    using namespace std::chrono;
    steady_clock::duration longest{};
    bool served = true;
    while (greedy_turns.load() == 0) std::this_thread::yield();
    for (int i = 0; i < 100 && served; ++i) {
      auto const begin = steady_clock::now();
      served = lock.try_lock_for(seconds(20));
      if (served) lock.unlock();
      longest = std::max(longest, steady_clock::now() - begin);
    }
    // A coroutine too.
    threads_executor pool(1);
    auto const patient = spawn(pool, take_often(lock, 100));
    patient->wait_until_done();
    finished.store(true);
    greedy.join();
    REQUIRE(served);
    CHECK_FALSE(patient->error());
    WARN("longest wait beside a greedy thread: " << duration_cast<microseconds>(longest).count() << " us");
  }

  // Whoever has waited for more than a millisecond is handed the lock: a third party that tries all the time, awake
  // while the first is still asleep, does not get in between.
  static void who_has_waited_long_is_not_overtaken() {
    using namespace std::chrono;
    constexpr int turns = 20;
    int won_by_patience = 0;
    // A waiting thread that was not given a processor has not waited; then there is another attempt.
    for (int attempt = 0; attempt < 10 && won_by_patience < turns * 3 / 4; ++attempt) {
      won_by_patience = 0;
      for (int turn = 0; turn < turns; ++turn) {
        Lock lock;
        std::atomic<int> winner{0};
        lock.lock();
        std::thread patient([&] {
          std::lock_guard const guard(lock);
          int none = 0;
          winner.compare_exchange_strong(none, 1);
        });
        auto const end = steady_clock::now() + milliseconds(2);
        while (steady_clock::now() < end) std::this_thread::yield();
        std::thread greedy([&] {
          while (winner.load() == 0) {
            if (!lock.try_lock()) continue;
            int none = 0;
            winner.compare_exchange_strong(none, 2);
            lock.unlock();
          }
        });
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        lock.unlock();
        patient.join();
        greedy.join();
        if (winner.load() == 1) ++won_by_patience;
      }
    }
    CHECK(won_by_patience >= turns * 3 / 4);
  }

  static test_task<> take_often(Lock& lock, int times) {
    for (int i = 0; i < times; ++i) auto const guard = co_await lock.async_lock();
  }

  using heap_allocated = support::heap_allocated;
  using own_page = support::own_page;

  // The last of two users destroys the lock as soon as its own unlock has returned, while the unlock of the other may
  // not have.
  template <class Memory>
  static void the_last_user_may_destroy_it(int times) {
    struct shared_object {
      Lock lock;
      int users = 2;
    };
    auto const use = [](shared_object* object, bool slowly) {
      object->lock.lock();
      // Long enough for the other to fall asleep, so that it is woken.
      if (slowly) linger();
      bool const last = --object->users == 0;
      object->lock.unlock();
      if (!last) return;
      object->~shared_object();
      Memory::release(object, sizeof(shared_object));
    };
    std::atomic<shared_object*> offered{nullptr};
    hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        auto* const object = new (Memory::allocate(sizeof(shared_object))) shared_object;
        offered.store(object);
        use(object, i % 16 == 0);
        while (offered.load() != nullptr) concur::os::yield();
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        shared_object* object = nullptr;
        for (concur::brief_wait other;; other.pause()) {
          object = offered.exchange(nullptr);
          if (object != nullptr) break;
        }
        use(object, i % 16 == 0);
      }
    });
    crowd.run();
    SUCCEED();
  }

  struct event_log {
    std::vector<int> entries;
  };
  static test_task<> log_turn(Lock& lock, event_log& log, int number) {
    auto const guard = co_await lock.async_lock();
    log.entries.push_back(number);
  }

  static void coroutines_get_it_in_the_order_of_their_arrival() {
    Lock lock;
    queue_executor here;
    event_log log;
    std::vector<std::unique_ptr<root_task<void>>> roots;
    lock.lock();
    for (int i = 0; i < 5; ++i) roots.push_back(spawn(here, log_turn(lock, log, i)));
    here.run_all();
    CHECK(log.entries.empty());
    lock.unlock();
    // Handed over: it is not free for others before all of them have had it.
    CHECK_FALSE(is_free_elsewhere(lock));
    here.run_all();
    CHECK(log.entries == std::vector{0, 1, 2, 3, 4});
    CHECK(is_free(lock));
  }

  struct steps {
    bool reached_lock = false;
    bool passed = false;
    bool passed_second = false;
  };
  static test_task<> lock_two(Lock& first, Lock& second, steps& seen) {
    seen.reached_lock = true;
    auto const guard = co_await first.async_lock();
    seen.passed = true;
    auto const other = co_await second.async_lock();
    seen.passed_second = true;
  }

  static void cancelled_before_it_waits() {
    Lock lock, second;
    queue_executor here;
    steps seen;
    auto const root = spawn(here, lock_two(lock, second, seen));
    CHECK(root->cancel());
    CHECK_FALSE(root->cancel());
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    CHECK(seen.reached_lock);
    CHECK_FALSE(seen.passed);  // although the lock was free
    CHECK(is_free(lock));
  }

  static void cancelled_while_it_waits() {
    Lock lock, second;
    queue_executor here;
    steps seen;
    lock.lock();
    auto const root = spawn(here, lock_two(lock, second, seen));
    here.run_all();
    CHECK_FALSE(root->done());
    root->cancel();
    CHECK_FALSE(root->done());  // nothing of the task runs inside the call
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    CHECK_FALSE(seen.passed);
    CHECK_FALSE(is_free_elsewhere(lock));
    lock.unlock();
    CHECK(is_free(lock));
  }

  static test_task<> lock_and_be_cancelled(Lock& lock, bool& passed) {
    auto const make = [&lock] { return lock.async_lock(); };
    auto const guard = co_await cancel_before_publish(make);
    passed = true;
  }

  static void cancelled_between_decision_and_queue() {
    for (bool held : {true, false}) {
      Lock lock;
      queue_executor here;
      bool passed = false;
      if (held) lock.lock();
      auto const root = spawn(here, lock_and_be_cancelled(lock, passed));
      here.run_all();
      REQUIRE(root->done());
      CHECK(root->was_cancelled() == held);
      CHECK(passed == !held);
      if (held) lock.unlock();
      CHECK(is_free(lock));
    }
  }

  // The outcome beats the cancel: what was handed over is had, and the cancel strikes at the next await.
  static void cancelled_between_grant_and_resume() {
    Lock lock, second;
    queue_executor here;
    steps seen;
    lock.lock();
    auto const root = spawn(here, lock_two(lock, second, seen));
    here.run_all();
    lock.unlock();
    CHECK_FALSE(is_free_elsewhere(lock));
    root->cancel();
    here.run_all();
    REQUIRE(root->done());
    CHECK(seen.passed);
    CHECK_FALSE(seen.passed_second);
    CHECK(root->was_cancelled());
    CHECK(is_free(lock));
    CHECK(is_free(second));
  }

  // One in the middle of the queue leaves; the others keep their places.
  static void a_cancelled_party_leaves_the_queue_as_it_was() {
    queue_executor here;
    for (int leaving = 0; leaving < 4; ++leaving) {
      Lock lock;
      event_log log;
      std::vector<std::unique_ptr<root_task<void>>> roots;
      lock.lock();
      for (int i = 0; i < 4; ++i) roots.push_back(spawn(here, log_turn(lock, log, i)));
      here.run_all();
      roots[std::size_t(leaving)]->cancel();
      lock.unlock();
      here.run_all();
      std::vector<int> expected{0, 1, 2, 3};
      std::erase(expected, leaving);
      CHECK(log.entries == expected);
      CHECK(roots[std::size_t(leaving)]->was_cancelled());
      CHECK(is_free(lock));
    }
  }

  static foreign_coroutine foreign_turn(Lock& lock, int& turns) {
    auto guard = co_await lock.async_lock();
    ++turns;
    guard.unlock();
    guard = co_await lock.async_lock();
    ++turns;
  }

  static void a_foreign_coroutine_waits_on_the_executor_of_its_thread() {
    Lock lock;
    queue_executor here;
    int turns = 0;
    concur::executor_scope const this_thread(here);
    lock.lock();
    auto const coroutine = foreign_turn(lock, turns);
    CHECK(turns == 0);
    here.run_all();
    CHECK(turns == 0);
    lock.unlock();
    CHECK(turns == 0);
    here.run_all();
    CHECK(turns == 2);
    REQUIRE(coroutine.done());
    coroutine.rethrow_error();
    CHECK(is_free(lock));
  }

  static void a_foreign_coroutine_without_executor_is_misuse_only_if_it_must_wait() {
    Lock lock;
    int turns = 0;
    REQUIRE(concur::current_executor() == nullptr);
    auto const lucky = foreign_turn(lock, turns);
    CHECK(turns == 2);
    REQUIRE(lucky.done());
    lock.lock();
    auto const unlucky = foreign_turn(lock, turns);
    REQUIRE(unlucky.done());
    CHECK(turns == 2);
    CHECK_THROWS_AS(unlucky.rethrow_error(), concur::misuse);
    lock.unlock();
    CHECK(is_free(lock));
  }

  // A new stop source for each round of one thread, requested by another at some moment.
  class stopper {
   public:
    concur::os::stop_token next() {
      std::lock_guard const hold(mutex_);
      source_ = concur::os::stop_source();
      return source_.get_token();
    }
    void close() { closed_.store(true); }
    void request_until_closed() {
      while (!closed_.load()) {
        auto current = [this] {
          std::lock_guard const hold(mutex_);
          return source_;
        }();
        current.request_stop();
        std::this_thread::yield();
      }
    }

   private:
    std::mutex mutex_;
    concur::os::stop_source source_;
    std::atomic<bool> closed_{false};
  };

  /// Another thread holds the lock as long as this lives.
  class held_by_another_thread {
   public:
    explicit held_by_another_thread(Lock& lock)
        : thread_([this, &lock] {
            std::lock_guard const guard(lock);
            held_.store(true);
            held_.notify_one();
            finished_.wait(false);
          }) {
      held_.wait(false);
    }
    ~held_by_another_thread() {
      finished_.store(true);
      finished_.notify_one();
      thread_.join();
    }

   private:
    std::atomic<bool> held_{false};
    std::atomic<bool> finished_{false};
    std::thread thread_;
  };

 private:
  static bool is_free_elsewhere(Lock& lock) {
    bool free = false;
    std::thread([&] { free = is_free(lock); }).join();
    return free;
  }
};

}  // namespace support::inline CONCUR_ABI
