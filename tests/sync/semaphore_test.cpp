// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/semaphore.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "destroyed_when_woken.hpp"

#include <atomic>
#include <climits>
#include <memory>
#include <thread>
#include <vector>

namespace {

using concur::semaphore;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constinit semaphore in_static_storage(2, 3);

// How many permits are there; takes them and gives them back.
std::size_t count_of(semaphore& permits) {
  std::size_t count = 0;
  while (permits.try_acquire()) ++count;
  if (count != 0) permits.release(count);
  return count;
}

using order_log = std::vector<int>;

test_task<> take(semaphore& permits, order_log& log, int number) {
  int const mine = number;
  co_await permits.async_acquire();
  log.push_back(mine);
}

// Takes one and gives it back, again and again. Everything it has taken is given back, also when it is cancelled.
test_task<> take_and_give(semaphore& permits, int times, std::atomic<long>& inside, std::atomic<long>& most) {
  for (int i = 0; i < times; ++i) {
    co_await permits.async_acquire();
    long const now = inside.fetch_add(1) + 1;
    for (long seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    inside.fetch_sub(1);
    permits.release();
  }
}

test_task<> take_three(semaphore& permits, int& taken) {
  for (int i = 0; i < 3; ++i) {
    co_await permits.async_acquire();
    ++taken;
  }
}

support::foreign_coroutine take_foreign(semaphore& permits, int& taken) {
  for (int i = 0; i < 2; ++i) {
    co_await permits.async_acquire();
    ++taken;
  }
}

}  // namespace

TEST_CASE("semaphore: permits are taken and given back", "[semaphore]") {
  semaphore s(2);
  CHECK(s.available() == 2);
  s.acquire();
  CHECK(s.try_acquire());
  CHECK_FALSE(s.try_acquire());
  CHECK(s.available() == 0);
  s.release(2);
  CHECK(s.available() == 2);
  s.release(0);
  CHECK(s.available() == 2);
  CHECK(count_of(in_static_storage) == 2);
}

TEST_CASE("semaphore: one released above its bound throws and changes nothing", "[semaphore]") {
  semaphore s(3, 3);
  CHECK_THROWS_AS(s.release(), concur::misuse);
  CHECK(s.available() == 3);
  s.acquire();
  CHECK_THROWS_AS(s.release(2), concur::misuse);
  CHECK_THROWS_AS(s.release(SIZE_MAX), concur::misuse);
  CHECK(s.available() == 2);
  s.release();
  CHECK(count_of(s) == 3);
}

TEST_CASE("semaphore: released above its bound while parties wait, it throws and nobody goes on", "[semaphore]") {
  semaphore s(0, 2);
  queue_executor here;
  order_log log;
  auto const root = spawn(here, take(s, log, 1));
  here.run_all();
  CHECK_THROWS_AS(s.release(3), concur::misuse);  // the one that the party would get counts, as in Python
  CHECK_THROWS_AS(s.release(SIZE_MAX), concur::misuse);
  here.run_all();
  CHECK(log.empty());
  CHECK(s.available() == 0);
  s.release(2);
  here.run_all();
  CHECK(log == order_log{1});
  CHECK(count_of(s) == 1);
  CHECK_THROWS_AS(s.release(2), concur::misuse);
}

TEST_CASE("semaphore: more permits than the bound, or a bound beyond all, cannot be asked for", "[semaphore]") {
  CHECK_THROWS_AS(semaphore(2, 1), concur::misuse);
  CHECK_THROWS_AS(semaphore(0, semaphore::max() + 1), concur::misuse);
  CHECK_THROWS_AS(semaphore(SIZE_MAX), concur::misuse);
  semaphore full(semaphore::max());
  CHECK(full.available() == semaphore::max());
  CHECK_THROWS_AS(full.release(), concur::misuse);
  CHECK_THROWS_AS(full.release(SIZE_MAX), concur::misuse);
  CHECK(full.try_acquire());
  CHECK(full.available() == semaphore::max() - 1);
  semaphore none(0, 0);
  CHECK_FALSE(none.try_acquire());
  CHECK_THROWS_AS(none.release(), concur::misuse);
}

TEST_CASE("semaphore: permits go to waiting parties in the order of their arrival", "[semaphore]") {
  semaphore s(0);
  queue_executor here;
  order_log log;
  std::vector<std::unique_ptr<root_task<void>>> roots;
  for (int i = 0; i < 6; ++i) roots.push_back(spawn(here, take(s, log, i)));
  here.run_all();
  s.release();
  // Handed over, and not free for one who comes later.
  CHECK_FALSE(s.try_acquire());
  here.run_all();
  CHECK(log == order_log{0});
  s.release(2);
  here.run_all();
  CHECK(log == order_log{0, 1, 2});
  s.release(5);
  CHECK(s.available() == 2);
  here.run_all();
  CHECK(log == order_log{0, 1, 2, 3, 4, 5});
  CHECK(count_of(s) == 2);
}

TEST_CASE("semaphore: two waiting threads need two releases and no more", "[semaphore]") {
  for (int round = 0; round < rounds(2'000); ++round) {
    semaphore s(0);
    std::thread first([&s] { s.acquire(); });
    std::thread second([&s] { s.acquire(); });
    s.release();
    s.release();
    first.join();
    second.join();
    REQUIRE(s.available() == 0);
  }
}

TEST_CASE("semaphore: time limits of every kind, with and without a permit", "[semaphore]") {
  semaphore s(0);
  auto const try_for = [&s](auto const& length) { return s.try_acquire_for(length); };
  auto const try_until = [&s](auto const& moment) { return s.try_acquire_until(moment); };
  support::check_limits_in_vain(try_for, try_until);
  support::check_limits_in_time(try_for, try_until, [] {}, [&s] { s.release(); });
  CHECK(s.available() == 0);
  s.release();
  support::check_limits_at_once(try_for, try_until, [&s] { s.release(); });
  CHECK(count_of(s) == 1);
}

TEST_CASE("semaphore: a stop ends the wait, and a permit that is there is taken whatever the stop", "[semaphore]") {
  for (int round = 0; round < rounds(500); ++round) {
    semaphore s(0);
    concur::os::stop_source source;
    bool taken = true;
    std::thread waiting([&] { taken = s.acquire(source.get_token()); });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(taken);
    REQUIRE_FALSE(s.acquire(source.get_token()));
    s.release();
    REQUIRE(s.acquire(source.get_token()));
    REQUIRE(s.available() == 0);
  }
}

TEST_CASE("semaphore: a cancel at any point loses no permit", "[semaphore]") {
  // The task takes three permits one after the other; each step is one thing that can happen to it.
  for (int steps_before_cancel = 0; steps_before_cancel <= 7; ++steps_before_cancel) {
    for (bool release_after_cancel : {false, true}) {
      semaphore s(0);
      queue_executor here;
      int taken = 0;
      std::size_t released = 0;
      auto const root = spawn(here, take_three(s, taken));
      for (int step = 0; step < steps_before_cancel; ++step) {
        if (step % 2 == 0) {
          here.run_all();
        } else {
          s.release();
          ++released;
        }
      }
      root->cancel();
      if (release_after_cancel) {
        s.release();
        ++released;
      }
      here.run_all();
      INFO("cancelled after " << steps_before_cancel << " steps, " << release_after_cancel);
      REQUIRE(root->done());
      CHECK(std::size_t(taken) + count_of(s) == released);
      // What had been handed over before the cancel was had.
      CHECK(taken == steps_before_cancel / 2);
      CHECK(root->was_cancelled() == (taken < 3));
    }
  }
}

namespace {

test_task<> acquire_and_be_cancelled(semaphore& permits) {
  auto const make = [&permits] { return permits.async_acquire(); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("semaphore: a task cancelled after it has decided to wait is refused", "[semaphore]") {
  semaphore s(0);
  queue_executor here;
  auto const root = spawn(here, acquire_and_be_cancelled(s));
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->was_cancelled());
  s.release();
  CHECK(count_of(s) == 1);
}

TEST_CASE("semaphore: a permit that comes with the limit or a stop is had", "[semaphore]") {
  semaphore s(0);
  support::fake_fiber fiber([&s] { s.release(); }, support::fake_fiber::limit_passes);
  CHECK(fiber.run([&s] { return s.try_acquire_for(std::chrono::seconds(1)); }));
  CHECK(s.available() == 0);

  concur::os::stop_source source;
  support::fake_fiber stopped([&] {
    s.release();
    source.request_stop();
  });
  CHECK(stopped.run([&] { return s.acquire(source.get_token()); }));
  CHECK(s.available() == 0);

  support::fake_fiber late([] {});
  CHECK_FALSE(late.run([&s] { return s.try_acquire_for(std::chrono::seconds(1)); }));
  s.release();
  CHECK(s.available() == 1);
}

TEST_CASE("semaphore: a foreign coroutine waits on the executor of its thread", "[semaphore]") {
  semaphore s(1);
  queue_executor here;
  int taken = 0;
  concur::executor_scope const this_thread(here);
  auto const coroutine = take_foreign(s, taken);
  CHECK(taken == 1);
  s.release();
  CHECK(taken == 1);
  here.run_all();
  CHECK(taken == 2);
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
}

namespace {

template <class Memory>
void who_got_the_permit_may_destroy_it(int times) {
  support::the_waiter_may_destroy_it<Memory>(
      times, [](void* place) { return new (place) semaphore(0); },
      [](semaphore& mine, int i, auto offer) {
        offer();
        if (i % 2 == 0) return mine.acquire();
        while (!mine.try_acquire_for(std::chrono::microseconds(1))) {
        }
      },
      [](semaphore& taken, auto fall_asleep) {
        fall_asleep();
        taken.release();
      });
}

}  // namespace

TEST_CASE("semaphore: who got the permit may destroy it while release returns", "[semaphore]") {
  who_got_the_permit_may_destroy_it<support::heap_allocated>(rounds(100'000));
}

TEST_CASE("semaphore: who got the permit may unmap its page while release returns", "[semaphore]") {
  who_got_the_permit_may_destroy_it<support::own_page>(rounds(20'000));
}

TEST_CASE("semaphore: every form in one hammer, never more inside than permits, none lost", "[semaphore]") {
  constexpr std::size_t permits = 2;
  int const times = rounds(100'000);
  support::weather const with_and_without_signals(GENERATE(false, true));
  semaphore s(permits, permits);
  std::atomic<long> inside{0}, most{0}, wrong{0};
  auto const use = [&] {
    long const now = inside.fetch_add(1) + 1;
    for (long seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    inside.fetch_sub(1);
    s.release();
  };
  {
    threads_executor pool(2);
    queue_executor here(ready_order::shuffled);
    auto const on_pool = spawn(pool, take_and_give(s, times, inside, most));
    auto const also_on_pool = spawn(pool, take_and_give(s, times, inside, most));
    auto const on_queue = spawn(here, take_and_give(s, times, inside, most));
    support::hammer crowd;
    crowd.add(2, [&] {
      for (int i = 0; i < times; ++i) {
        s.acquire();
        use();
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        if (s.try_acquire_for(std::chrono::microseconds(i % 32))) use();
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times / 200; ++i) {
        concur::os::stop_source source;
        std::thread stopping([&source] { source.request_stop(); });
        if (s.acquire(source.get_token())) use();
        stopping.join();
      }
    });
    crowd.add([&] { here.run_until([&] { return on_queue->done(); }); });
    crowd.add([&] {
      for (int i = 0; i < times / 10; ++i) {
        auto const root = spawn(pool, take_and_give(s, INT_MAX, inside, most));
        for (int pause = i % 100; pause > 0; --pause) concur::os::spin_pause();
        root->cancel();
        root->wait_until_done();
        if (!root->was_cancelled()) wrong.fetch_add(1);
      }
    });
    crowd.run();
    on_pool->wait_until_done();
    also_on_pool->wait_until_done();
  }
  CHECK(wrong.load() == 0);
  CHECK(most.load() <= long(permits));
  CHECK(inside.load() == 0);
  CHECK(count_of(s) == permits);
}
