// SPDX-License-Identifier: BSL-1.0
//
// What every lock with a shared mode promises about it, as tests over its type; lock_contract.hpp has the other mode.
//
//     TEST_CASE("shared_mutex: readers run together", "[shared_mutex]") {
//       shared_lock_contract<concur::shared_mutex>::readers_run_together();
//     }
//
// A lock is a SharedTimedMutex, has `lock_shared(stop_token)`, and `async_lock_shared` that gives a std::shared_lock.
// A long file: it mirrors lock_contract.hpp test by test, and adds what readers and writers promise each other.
#pragma once

#include "lock_contract.hpp"

#include <concur/sync/event.hpp>

#include <barrier>
#include <deque>
#include <shared_mutex>

namespace support::inline CONCUR_ABI {

template <class Lock>
class shared_lock_contract {
 public:
  using exclusive = lock_contract<Lock>;
  using tasks = std::vector<std::unique_ptr<root_task<void>>>;

  static bool is_free(Lock& lock) { return exclusive::is_free(lock); }
  static bool is_open(Lock& lock) {
    bool const taken = lock.try_lock_shared();
    if (taken) lock.unlock_shared();
    return taken;
  }

  // Two plain numbers that writers change together, and what its users say they have done.
  struct table {
    Lock lock;
    long first = 0;
    long second = 0;
    std::atomic<long> written{0};
    std::atomic<bool> torn{false};
    std::atomic<int> not_cancelled{0};

    // Called with the lock held exclusively, or shared.
    void write() {
      ++first;
      written.fetch_add(1, std::memory_order_relaxed);
      ++second;
    }
    void read() {
      if (first != second) torn.store(true, std::memory_order_relaxed);
    }

    void check() {
      CHECK_FALSE(torn.load());
      CHECK(not_cancelled.load() == 0);
      CHECK(first == written.load());
      CHECK(second == written.load());
      REQUIRE(is_free(lock));
      REQUIRE(is_open(lock));
    }
  };

  static test_task<> use_often(table& shared, int times, int readers_of_eight) {
    for (int i = 0; i < times; ++i) {
      if (i % 8 < readers_of_eight) {
        auto const guard = co_await shared.lock.async_lock_shared();
        shared.read();
      } else {
        auto const guard = co_await shared.lock.async_lock();
        shared.write();
      }
    }
  }

  static void write_often(table& shared, int times) {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const guard(shared.lock);
      shared.write();
    }
  }
  static void read_often(table& shared, int times) {
    for (int i = 0; i < times; ++i) {
      std::shared_lock const guard(shared.lock);
      shared.read();
    }
  }
  // Every third time tries to write.
  static void use_in_time(table& shared, int times) {
    for (int i = 0; i < times; ++i) {
      auto const limit = std::chrono::microseconds(i % 64);
      if (i % 3 == 0) {
        if (!shared.lock.try_lock_for(limit)) continue;
        shared.write();
        shared.lock.unlock();
      } else {
        if (!shared.lock.try_lock_shared_for(limit)) continue;
        shared.read();
        shared.lock.unlock_shared();
      }
    }
  }

  static void readers_run_together() {
    constexpr int readers = 4;
    Lock lock;
    std::barrier inside(readers);
    std::atomic<int> writers{0};
    hammer crowd;
    crowd.add(readers, [&] {
      for (int i = 0; i < rounds(1'000); ++i) {
        // None comes out before all of them are in.
        std::shared_lock const guard(lock);
        inside.arrive_and_wait();
        if (lock.try_lock()) writers.fetch_add(1);
        inside.arrive_and_wait();
      }
    });
    crowd.run();
    CHECK(writers.load() == 0);
    CHECK(is_free(lock));
  }

  static test_task<> share_until(Lock& lock, int& inside, concur::event& leave) {
    int const one = 1;
    auto const guard = co_await lock.async_lock_shared();
    inside += one;
    co_await leave.async_wait();
    inside -= one;
  }

  static void coroutines_and_threads_read_together() {
    Lock lock;
    queue_executor here;
    concur::event leave;
    concur::event thread_inside;
    int inside = 0;
    tasks roots;
    lock.lock();
    for (int i = 0; i < 3; ++i) roots.push_back(spawn(here, share_until(lock, inside, leave)));
    here.run_all();
    std::thread reader([&] {
      lock.lock_shared();
      thread_inside.set();
      leave.wait();
      lock.unlock_shared();
    });
    CHECK(inside == 0);
    CHECK_FALSE(thread_inside.is_set());
    lock.unlock();
    here.run_all();
    thread_inside.wait();
    CHECK(inside == 3);
    CHECK(is_open(lock));
    CHECK_FALSE(is_free(lock));
    leave.set();
    here.run_all();
    reader.join();
    CHECK(inside == 0);
    CHECK(is_free(lock));
  }

  static void readers_and_writers_exclude_each_other() {
    int const times = rounds(100'000);
    table shared;
    hammer crowd;
    crowd.add(2, [&] { read_often(shared, times); });
    crowd.add(2, [&] { write_often(shared, times); });
    crowd.run();
    CHECK(shared.first == 2 * times);
    shared.check();
  }

  // As lock_contract's, with readers and writers of every form.
  static void every_form_in_one_hammer() {
    table shared;
    bool const signals = GENERATE(false, true);
    weather const with_and_without_signals(signals);
    long const signals_before = signal_storm::count();
    int const times = rounds(30'000);
    {
      threads_executor pool(2);
      queue_executor here(ready_order::shuffled);
      auto const on_pool = spawn(pool, use_often(shared, times, 6));
      auto const on_queue = spawn(here, use_often(shared, times, 8));
      auto const also_on_queue = spawn(here, use_often(shared, times, 4));
      typename exclusive::stopper stops;
      hammer crowd;
      crowd.add(2, [&] { read_often(shared, times); });
      crowd.add([&] { write_often(shared, times); });
      crowd.add([&] { use_in_time(shared, times); });
      crowd.add([&] {
        for (int i = 0; i < times; ++i) {
          auto const stop = stops.next();
          if (i % 2 == 0) {
            if (!shared.lock.lock_shared(stop)) continue;
            shared.read();
            shared.lock.unlock_shared();
          } else {
            if (!shared.lock.lock(stop)) continue;
            shared.write();
            shared.lock.unlock();
          }
        }
        stops.close();
      });
      crowd.add([&] { stops.request_until_closed(); });
      crowd.add([&] { here.run_until([&] { return on_queue->done() && also_on_queue->done(); }); });
      crowd.add([&] {
        for (int i = 0; i < times / 10; ++i) {
          auto const root = spawn(pool, use_often(shared, INT_MAX, i % 9));
          for (int pause = i % 50; pause > 0; --pause) concur::os::spin_pause();
          root->cancel();
          root->wait_until_done();
          if (!root->was_cancelled()) shared.not_cancelled.fetch_add(1);
        }
      });
      crowd.run();
      on_pool->wait_until_done();
      CHECK_FALSE(on_pool->error());
      CHECK_FALSE(on_queue->error());
      CHECK_FALSE(also_on_queue->error());
    }
    CHECK(shared.first >= times);
    shared.check();
    if (signals) CHECK(signal_storm::count() > signals_before);
  }

  static void the_standards_guards_work() {
    Lock lock;
    {
      std::shared_lock const first(lock);
      CHECK_FALSE(is_free_elsewhere(lock));
      CHECK(is_open_elsewhere(lock));
      int owned = 0;
      std::thread([&] {  // another party, as one may not share twice
        std::shared_lock second(lock, std::defer_lock);
        auto const and_unlock = [&](bool locked) {
          if (!locked) return;
          ++owned;
          second.unlock();
        };
        and_unlock(second.try_lock());
        and_unlock(second.try_lock_for(std::chrono::seconds(10)));
        and_unlock(second.try_lock_until(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
        second.lock();
        owned += second.owns_lock();
      })
          .join();
      CHECK(owned == 4);
      CHECK_FALSE(is_free_elsewhere(lock));
    }
    CHECK(is_free(lock));

    // A condition that readers wait for.
    std::condition_variable_any changed;
    bool ready = false;
    int seen = 0;
    std::mutex counting;
    hammer crowd;
    crowd.add(2, [&] {
      std::shared_lock guard(lock);
      changed.wait(guard, [&] { return ready; });
      std::lock_guard const hold(counting);
      ++seen;
    });
    crowd.add([&] {
      {
        std::lock_guard const guard(lock);
        ready = true;
      }
      changed.notify_all();
    });
    crowd.run();
    CHECK(seen == 2);
    CHECK(is_free(lock));
  }

  // A stream of overlapping readers never leaves the lock free; a writer gets it all the same, again and again.
  static void no_writer_starves_among_readers() {
    Lock lock;
    std::atomic<bool> finished{false};
    std::atomic<long> turns{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (!finished.load(std::memory_order_relaxed)) {
          std::shared_lock const guard(lock);
          for (int pause = 0; pause < 500; ++pause) concur::os::spin_pause();
          turns.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
    while (turns.load() == 0) std::this_thread::yield();
    bool served = true;
    for (int i = 0; i < 100 && served; ++i) {
      served = lock.try_lock_for(std::chrono::seconds(20));
      if (served) lock.unlock();
    }
    threads_executor pool(1);
    auto const patient = spawn(pool, exclusive::take_often(lock, 100));
    patient->wait_until_done();
    finished.store(true);
    for (auto& each : readers) each.join();
    CHECK(served);
    CHECK_FALSE(patient->error());
    CHECK(is_free(lock));
  }

  static test_task<> share_often(Lock& lock, int times) {
    for (int i = 0; i < times; ++i) auto const guard = co_await lock.async_lock_shared();
  }

  static void no_reader_starves_among_writers() {
    Lock lock;
    std::atomic<bool> finished{false};
    std::atomic<long> turns{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < 2; ++i) {
      writers.emplace_back([&] {
        while (!finished.load(std::memory_order_relaxed)) {
          std::lock_guard const guard(lock);
          for (int pause = 0; pause < 500; ++pause) concur::os::spin_pause();
          turns.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
    while (turns.load() == 0) std::this_thread::yield();
    bool served = true;
    for (int i = 0; i < 100 && served; ++i) {
      served = lock.try_lock_shared_for(std::chrono::seconds(20));
      if (served) lock.unlock_shared();
    }
    threads_executor pool(1);
    auto const patient = spawn(pool, share_often(lock, 100));
    patient->wait_until_done();
    finished.store(true);
    for (auto& each : writers) each.join();
    CHECK(served);
    CHECK_FALSE(patient->error());
    CHECK(is_free(lock));
  }

  static void time_limits() {
    Lock lock;
    auto const try_for = [&lock](auto const& length) { return lock.try_lock_shared_for(length); };
    auto const try_until = [&lock](auto const& moment) { return lock.try_lock_shared_until(moment); };
    auto const give_back = [&lock] { lock.unlock_shared(); };
    check_limits_at_once(try_for, try_until, give_back);
    {
      shared_by_another_thread const reader(lock);
      check_limits_at_once(try_for, try_until, give_back);
      check_limits_in_vain([&lock](auto const& length) { return lock.try_lock_for(length); },
                           [&lock](auto const& moment) { return lock.try_lock_until(moment); });
    }
    {
      typename exclusive::held_by_another_thread const writer(lock);
      check_limits_in_vain(try_for, try_until);
    }
    {
      // A writer that waits keeps later readers out.
      shared_by_another_thread const reader(lock);
      queue_executor here;
      auto const writer = spawn(here, exclusive::take_often(lock, 1));
      here.run_all();
      check_limits_in_vain(try_for, try_until);
      writer->cancel();
      here.run_all();
      CHECK(is_open(lock));
    }
    CHECK(is_free(lock));
  }

  static void what_is_unlocked_in_time_is_shared() {
    Lock lock;
    auto const and_unlock = [&lock](bool shared) {
      if (shared) lock.unlock_shared();
      return shared;
    };
    check_limits_in_time([&](auto const& length) { return and_unlock(lock.try_lock_shared_for(length)); },
                         [&](auto const& moment) { return and_unlock(lock.try_lock_shared_until(moment)); },
                         [&lock] { lock.lock(); }, [&lock] { lock.unlock(); });
    CHECK(is_free(lock));
  }

  static void a_stop_that_was_requested_before() {
    concur::os::stop_source source;
    source.request_stop();
    Lock lock;
    CHECK(lock.lock_shared(source.get_token()));  // open: taken in any case
    bool other = false;
    std::thread([&] {
      other = lock.lock_shared(source.get_token());
      lock.unlock_shared();
    }).join();
    CHECK(other);
    lock.unlock_shared();
    lock.lock();
    std::thread([&] { other = lock.lock_shared(source.get_token()); }).join();
    CHECK_FALSE(other);
    lock.unlock();
    CHECK(is_free(lock));
  }

  static void a_stop_ends_the_wait_and_only_the_wait() {
    Lock lock;
    lock.lock();
    concur::os::stop_source source;
    bool shared = true;
    std::thread waiting([&] { shared = lock.lock_shared(source.get_token()); });
    source.request_stop();
    waiting.join();
    CHECK_FALSE(shared);
    for (auto const& token : {concur::os::stop_source().get_token(), concur::os::stop_token()}) {
      std::thread patient([&] {
        shared = lock.lock_shared(token);
        lock.unlock_shared();
      });
      lock.unlock();
      patient.join();
      CHECK(shared);
      lock.lock();
    }
    lock.unlock();
    CHECK(is_free(lock));
  }

  static void what_comes_with_the_limit_or_a_stop_is_shared() {
    Lock lock;
    auto const and_unlock = [&lock](bool shared) {
      if (shared) lock.unlock_shared();
      return shared;
    };
    lock.lock();
    fake_fiber fiber([&lock] { lock.unlock(); }, fake_fiber::limit_passes);
    CHECK(fiber.run([&] { return and_unlock(lock.try_lock_shared_for(std::chrono::seconds(1))); }));
    CHECK(fiber.wakes() == 1);

    lock.lock();
    concur::os::stop_source source;
    fake_fiber stopped([&] {
      lock.unlock();
      source.request_stop();
    });
    CHECK(stopped.run([&] { return and_unlock(lock.lock_shared(source.get_token())); }));

    lock.lock();
    fake_fiber late([] {});
    CHECK_FALSE(late.run([&] { return lock.try_lock_shared_for(std::chrono::seconds(1)); }));
    lock.unlock();
    CHECK(late.wakes() == 0);
    CHECK(is_free(lock));
  }

  // A lock held by a reader; a writer that waits; behind it a reader, another writer and another reader, all tasks.
  // When the first writer gives up, the reader behind it is let in at once, and nobody else.
  class behind_a_writer {
   public:
    behind_a_writer() { lock.lock_shared(); }

    void queue_up() {
      roots.push_back(spawn(here, share_until(lock, first_reader, leave)));
      roots.push_back(spawn(here, exclusive::take_often(lock, 1)));
      roots.push_back(spawn(here, share_until(lock, second_reader, leave)));
      here.run_all();
      CHECK(first_reader == 0);
      CHECK_FALSE(is_open(lock));
    }
    void check_after_the_writer_left() {
      here.run_all();
      CHECK(first_reader == 1);
      CHECK(second_reader == 0);
      CHECK_FALSE(is_open(lock));  // the second writer waits still
      lock.unlock_shared();
      here.run_all();
      CHECK(second_reader == 0);
      leave.set();
      here.run_all();
      for (auto const& each : roots) CHECK(each->done());
      CHECK(is_free(lock));
    }

    Lock lock;
    queue_executor here;

   private:
    concur::event leave;
    int first_reader = 0;
    int second_reader = 0;
    tasks roots;
  };

  static void a_writer_that_leaves_lets_in_the_readers_behind_it() {
    {
      behind_a_writer scene;
      fake_fiber writer([&scene] { scene.queue_up(); });
      CHECK_FALSE(writer.run([&scene] { return scene.lock.try_lock_for(std::chrono::seconds(1)); }));
      scene.check_after_the_writer_left();
    }
    {
      behind_a_writer scene;
      concur::os::stop_source source;
      fake_fiber writer([&] {
        scene.queue_up();
        source.request_stop();
      });
      CHECK_FALSE(writer.run([&] { return scene.lock.lock(source.get_token()); }));
      scene.check_after_the_writer_left();
    }
    {
      behind_a_writer scene;
      auto const writer = spawn(scene.here, exclusive::take_often(scene.lock, 1));
      scene.here.run_all();
      scene.queue_up();
      writer->cancel();
      scene.check_after_the_writer_left();
      CHECK(writer->was_cancelled());
    }
  }

  // While a writer holds the lock, nobody is let in because somebody leaves; and those who stay keep their places.
  static void a_party_that_leaves_a_held_lock_changes_nothing_else() {
    for (std::size_t leaving = 0; leaving < 5; ++leaving) {
      queue_scene scene({'w', 'r', 'r', 'w', 'r'});
      scene.roots[leaving]->cancel();
      scene.here.run_all();
      CHECK(scene.log.empty());
      scene.lock.unlock();
      for (std::size_t i = 0; i < 5; ++i) scene.leave[i].set();
      scene.here.run_all();
      std::vector<int> expected{0, 1, 2, 3, 4};
      std::erase(expected, int(leaving));
      CHECK(scene.log == expected);
      CHECK(scene.roots[leaving]->was_cancelled());
      CHECK(is_free(scene.lock));
    }
  }

  // Coroutines that queue, in this order, for a lock that the calling thread holds exclusively; each notes its number
  // when it has the lock, and keeps it until it is told to leave.
  struct queue_scene {
    explicit queue_scene(std::vector<char> const& modes) : leave(modes.size()) {
      lock.lock();
      for (std::size_t i = 0; i < modes.size(); ++i) {
        auto turn = modes[i] == 'r' ? reading(*this, int(i)) : writing(*this, int(i));
        roots.push_back(spawn(here, std::move(turn)));
      }
      here.run_all();
      CHECK(log.empty());
    }
    std::vector<int> after_leaving(std::size_t number) {
      leave[number].set();
      here.run_all();
      return log;
    }

    static test_task<> reading(queue_scene& scene, int number) {
      int const mine = number;
      auto const guard = co_await scene.lock.async_lock_shared();
      scene.log.push_back(mine);
      co_await scene.leave[std::size_t(mine)].async_wait();
    }
    static test_task<> writing(queue_scene& scene, int number) {
      int const mine = number;
      auto const guard = co_await scene.lock.async_lock();
      scene.log.push_back(mine);
      co_await scene.leave[std::size_t(mine)].async_wait();
    }

    Lock lock;
    queue_executor here;
    std::vector<int> log;
    std::deque<concur::event> leave;
    tasks roots;
  };

  static void coroutines_get_it_in_order_and_readers_in_runs() {
    using entries = std::vector<int>;
    queue_scene scene({'w', 'r', 'r', 'w', 'w', 'r', 'r', 'r'});
    scene.lock.unlock();
    CHECK_FALSE(is_open(scene.lock));  // handed over: not free for others before all have had it
    scene.here.run_all();
    CHECK(scene.log == entries{0});
    CHECK(scene.after_leaving(0) == entries{0, 1, 2});
    CHECK_FALSE(is_open(scene.lock));
    CHECK(scene.after_leaving(2) == entries{0, 1, 2});
    CHECK(scene.after_leaving(1) == entries{0, 1, 2, 3});
    CHECK(scene.after_leaving(3) == entries{0, 1, 2, 3, 4});
    CHECK(scene.after_leaving(4) == entries{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(is_open(scene.lock));  // nobody waits now
    for (std::size_t last : {6u, 5u, 7u}) {
      CHECK_FALSE(is_free(scene.lock));
      CHECK(scene.after_leaving(last).size() == 8);
    }
    CHECK(is_free(scene.lock));
  }

  static test_task<> note_turn(Lock& lock, std::vector<int>& log, int number) {
    int const mine = number;
    auto const guard = co_await lock.async_lock();
    log.push_back(mine);
  }

  // Holds up the thread that asks it for the second time, which a waiting thread does when its limit has passed: it
  // stands in the queue then and cannot come when it is woken. Afterwards the limit is an hour away.
  class detaining_clock {
   public:
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<detaining_clock>;
    static constexpr bool is_steady = false;
    static constexpr time_point limit{duration(1)};

    static time_point now() noexcept {
      if (asked_.fetch_add(1) == 0) return time_point(duration(0));
      asked_.notify_all();
      let_go_.wait(false);
      return limit - std::chrono::hours(1);
    }

    static void start() noexcept {
      asked_.store(0);
      let_go_.store(false);
    }
    static void wait_until_it_holds_a_thread() noexcept {
      for (int asked = 0; (asked = asked_.load()) < 2;) asked_.wait(asked);
    }
    static void let_go() noexcept {
      let_go_.store(true);
      let_go_.notify_all();
    }

   private:
    static inline std::atomic<int> asked_{0};
    static inline std::atomic<bool> let_go_{false};
  };

  // A writer thread, and behind it a writing task, wait for a reader. When the reader leaves, the thread is woken, but
  // before it comes the lock is taken past both. If a reader takes it, the thread is still before the task afterwards.
  static void a_writer_that_is_overtaken_keeps_its_place() {
    int overtaken_by_reader = 0;
    int overtaken_by_writer = 0;
    // Again when it took a millisecond until here: then the thread is handed the lock.
    for (int attempt = 0; attempt < 1'000 && (overtaken_by_reader < 5 || overtaken_by_writer < 5); ++attempt) {
      bool const by_reader = attempt % 2 == 0;
      Lock lock;
      queue_executor here;
      std::vector<int> log;
      detaining_clock::start();
      lock.lock_shared();
      std::thread first([&] {
        if (!lock.try_lock_until(detaining_clock::limit)) return;
        log.push_back(1);
        lock.unlock();
      });
      detaining_clock::wait_until_it_holds_a_thread();
      auto const second = spawn(here, note_turn(lock, log, 2));
      here.run_all();
      lock.unlock_shared();
      bool const overtaken = by_reader ? lock.try_lock_shared() : lock.try_lock();
      if (overtaken && !by_reader) lock.unlock();
      detaining_clock::let_go();
      if (overtaken && by_reader) {
        while (is_open(lock)) std::this_thread::yield();  // readers may overtake until it has come back
        lock.unlock_shared();
      }
      here.run_until([&] { return second->done(); });
      first.join();
      // It could not come before the writer that took the lock handed it on.
      CHECK(log == (overtaken && !by_reader ? std::vector{2, 1} : std::vector{1, 2}));
      CHECK(is_free(lock));
      (by_reader ? overtaken_by_reader : overtaken_by_writer) += overtaken;
    }
    CHECK(overtaken_by_reader >= 5);
    CHECK(overtaken_by_writer >= 5);
  }

  static test_task<> share_two(Lock& first, Lock& second, typename exclusive::steps& seen) {
    seen.reached_lock = true;
    auto const guard = co_await first.async_lock_shared();
    seen.passed = true;
    auto const other = co_await second.async_lock_shared();
    seen.passed_second = true;
  }

  static void cancelled_before_it_waits() {
    Lock lock, second;
    queue_executor here;
    typename exclusive::steps seen;
    auto const root = spawn(here, share_two(lock, second, seen));
    root->cancel();
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    CHECK(seen.reached_lock);
    CHECK_FALSE(seen.passed);  // although the lock was open
    CHECK(is_free(lock));
  }

  static void cancelled_while_it_waits() {
    Lock lock, second;
    queue_executor here;
    typename exclusive::steps seen;
    lock.lock();
    auto const root = spawn(here, share_two(lock, second, seen));
    here.run_all();
    CHECK_FALSE(root->done());
    root->cancel();
    CHECK_FALSE(root->done());
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    CHECK_FALSE(seen.passed);
    CHECK_FALSE(is_open_elsewhere(lock));
    lock.unlock();
    CHECK(is_free(lock));
  }

  static test_task<> share_and_be_cancelled(Lock& lock, bool& passed) {
    auto const make = [&lock] { return lock.async_lock_shared(); };
    auto const guard = co_await cancel_before_publish(make);
    passed = true;
  }

  static void cancelled_between_decision_and_queue() {
    for (bool held : {true, false}) {
      Lock lock;
      queue_executor here;
      bool passed = false;
      if (held) lock.lock();
      auto const root = spawn(here, share_and_be_cancelled(lock, passed));
      here.run_all();
      REQUIRE(root->done());
      CHECK(root->was_cancelled() == held);
      CHECK(passed == !held);
      if (held) lock.unlock();
      CHECK(is_free(lock));
    }
  }

  static void cancelled_between_grant_and_resume() {
    Lock lock, second;
    queue_executor here;
    typename exclusive::steps seen;
    lock.lock();
    auto const root = spawn(here, share_two(lock, second, seen));
    here.run_all();
    lock.unlock();
    CHECK(is_open(lock));
    CHECK_FALSE(is_free(lock));  // it has its share
    root->cancel();
    here.run_all();
    REQUIRE(root->done());
    CHECK(seen.passed);
    CHECK_FALSE(seen.passed_second);
    CHECK(root->was_cancelled());
    CHECK(is_free(lock));
    CHECK(is_free(second));
  }

  static foreign_coroutine foreign_turns(Lock& lock, int& turns) {
    auto guard = co_await lock.async_lock_shared();
    ++turns;
    guard.unlock();
    guard = co_await lock.async_lock_shared();
    ++turns;
  }

  static void a_foreign_coroutine_shares_it() {
    Lock lock;
    queue_executor here;
    int turns = 0;
    concur::executor_scope const this_thread(here);
    lock.lock();
    auto const coroutine = foreign_turns(lock, turns);
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
    auto const lucky = foreign_turns(lock, turns);
    CHECK(turns == 2);
    REQUIRE(lucky.done());
    lock.lock();
    auto const unlucky = foreign_turns(lock, turns);
    REQUIRE(unlucky.done());
    CHECK(turns == 2);
    CHECK_THROWS_AS(unlucky.rethrow_error(), concur::misuse);
    lock.unlock();
    CHECK(is_free(lock));
  }

  // A reader and a writer; the last destroys the lock as soon as its own unlock has returned. Then two readers and a
  // writer that waits for them, and destroys it.
  template <class Memory>
  static void the_last_user_may_destroy_it(int times) {
    struct shared_object {
      Lock lock;
      std::atomic<int> used{0};
    };
    auto const use = [](shared_object* object, bool reading, bool slowly) {
      reading ? object->lock.lock_shared() : object->lock.lock();
      if (slowly) linger();
      bool const last = object->used.fetch_add(1, std::memory_order_relaxed) == 1;
      reading ? object->lock.unlock_shared() : object->lock.unlock();
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
        use(object, i % 2 == 0, i % 16 < 2);
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
        use(object, i % 2 != 0, i % 16 < 2);
      }
    });
    crowd.run();
    SUCCEED();
  }

  template <class Memory>
  static void a_writer_that_waited_for_readers_may_destroy_it(int times) {
    struct shared_object {
      Lock lock;
      std::atomic<int> inside{0};
    };
    constexpr int readers = 2;
    std::barrier round(readers + 1);
    shared_object* object = nullptr;
    hammer crowd;
    crowd.add(readers, [&] {
      for (int i = 0; i < times; ++i) {
        round.arrive_and_wait();
        shared_object* const mine = object;
        mine->lock.lock_shared();
        mine->inside.fetch_add(1, std::memory_order_relaxed);
        if (i % 16 == 0) linger();
        mine->lock.unlock_shared();
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        object = new (Memory::allocate(sizeof(shared_object))) shared_object;
        round.arrive_and_wait();
        shared_object* const mine = object;
        for (concur::brief_wait others; mine->inside.load(std::memory_order_relaxed) != readers;) others.pause();
        mine->lock.lock();
        mine->lock.unlock();
        mine->~shared_object();
        Memory::release(mine, sizeof(shared_object));
      }
    });
    crowd.run();
    SUCCEED();
  }

  /// Another thread shares the lock as long as this lives.
  class shared_by_another_thread {
   public:
    explicit shared_by_another_thread(Lock& lock)
        : thread_([this, &lock] {
            std::shared_lock const guard(lock);
            held_.store(true);
            held_.notify_one();
            finished_.wait(false);
          }) {
      held_.wait(false);
    }
    ~shared_by_another_thread() {
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
  static bool is_open_elsewhere(Lock& lock) {
    bool open = false;
    std::thread([&] { open = is_open(lock); }).join();
    return open;
  }
};

}  // namespace support::inline CONCUR_ABI
