// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/thread_pool.hpp>

#include "../support/catch.hpp"
#include "../support/forked.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "pool_support.hpp"

#include <concur/core/timer_heap.hpp>
#include <concur/future/gather.hpp>
#include <concur/queue/queue.hpp>
#include <concur/sync/mutex.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::thread_pool;
using support::held_workers;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;
using stop_token = concur::os::stop_token;

int doubled(int n) { return 2 * n; }

}  // namespace

// ---- as an executor

namespace {

struct recorded_work : concur::work {
  explicit recorded_work(std::vector<int>& list, int number)
      : work([](concur::work& self) noexcept {
          auto& mine = static_cast<recorded_work&>(self);
          mine.list_.push_back(mine.number_);
        }),
        list_(list),
        number_(number) {}

 private:
  std::vector<int>& list_;
  int const number_;
};

// Awaits one thing of each kind, and says where it ran after each.
test_task<int> visit(thread_pool& pool, concur::mutex& m, concur::queue<int>& q, event& e) {
  int places = 0;
  auto const here = [&pool] { return pool.is_worker() && concur::current_executor() == &pool.get_executor() ? 1 : 0; };
  places += here();
  {
    auto const lock = co_await m.async_lock();
    places += here();
  }
  co_await q.async_put(1);
  places += here();
  int const item = co_await q.async_get();
  places += here() + item - 1;
  co_await e.async_wait();
  places += here();
  auto job = pool.submit(doubled, 4);
  int const eight = co_await job;
  places += here() + eight - 8;
  auto parts = concur::gather(pool.submit(doubled, 1), pool.submit(doubled, 2));
  auto const [two, four] = co_await parts;
  places += here() + two - 2 + four - 4;
  co_return places;
}

test_task<> add_under_lock(concur::mutex& m, int& total, int times) {
  int left = times;
  while (left-- > 0) {
    auto const lock = co_await m.async_lock();
    ++total;
  }
}

test_task<int> await_job(future<int> job) {
  int const value = co_await std::move(job);
  co_return value;
}

test_task<> move_items(concur::queue<int>& from, concur::queue<int>& to, int count) {
  int left = count;
  while (left-- > 0) {
    int const item = co_await from.async_get();
    co_await to.async_put(item + 1);
  }
}

}  // namespace

TEST_CASE("thread_pool_executor: tasks run on the workers and are resumed there, whatever they await",
          "[thread_pool_executor]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    concur::mutex m;
    concur::queue<int> q(4);
    event e;
    m.lock();
    std::vector<std::unique_ptr<support::root_task<int>>> roots;
    for (int i = 0; i < 4; ++i) roots.push_back(spawn(pool, visit(pool, m, q, e)));
    m.unlock();
    e.set();
    for (auto const& each : roots) {
      each->wait_until_done();
      CHECK(each->result() == 7);
    }
  }
}

TEST_CASE("thread_pool_executor: tasks take turns at a lock and nothing is lost", "[thread_pool_executor]") {
  thread_pool pool(2);
  concur::mutex m;
  int total = 0;
  int const times = rounds(1'000);
  std::vector<std::unique_ptr<support::root_task<void>>> roots;
  for (int i = 0; i < 8; ++i) roots.push_back(spawn(pool, add_under_lock(m, total, times)));
  std::thread outside([&] {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const held(m);
      ++total;
    }
  });
  for (auto const& each : roots) each->wait_until_done();
  outside.join();
  CHECK(total == 9 * times);
}

TEST_CASE("thread_pool_executor: tasks hand items on from queue to queue, beside jobs that keep the workers busy",
          "[thread_pool_executor]") {
  thread_pool pool(2);
  int const count = rounds(400);
  constexpr int stages = 4;
  std::vector<std::unique_ptr<concur::queue<int>>> queues;
  for (int i = 0; i <= stages; ++i) queues.push_back(std::make_unique<concur::queue<int>>(2));
  std::vector<std::unique_ptr<support::root_task<void>>> roots;
  for (std::size_t i = 0; i < stages; ++i) roots.push_back(spawn(pool, move_items(*queues[i], *queues[i + 1], count)));
  std::atomic<bool> over{false};
  std::function<void()> busy = [&] {
    if (!over) pool.post(std::ref(busy));
  };
  pool.post(std::ref(busy));
  std::thread feeding([&] {
    for (int i = 0; i < count; ++i) queues.front()->put(i);
  });
  int wrong = 0;
  for (int i = 0; i < count; ++i) wrong += queues.back()->get() == i + stages ? 0 : 1;
  over = true;
  feeding.join();
  for (auto const& each : roots) each->wait_until_done();
  pool.wait_idle();
  CHECK(wrong == 0);
}

TEST_CASE("thread_pool_executor: the cancel of a task cancels the job that it awaits", "[thread_pool_executor]") {
  thread_pool pool(2);
  event begun;
  auto const root = spawn(pool, await_job(pool.submit([&begun](stop_token const& stop) {
                            begun.set();
                            return event().wait(stop) ? 1 : 2;
                          })));
  begun.wait();
  // The task may not have come to its await; then it cancels the job there.
  root->cancel();
  root->wait_until_done();
  pool.wait_idle();
  CHECK((root->was_cancelled() || root->result() == 2));

  bool ran = false;
  queue_executor here;
  held_workers const held(pool, 2);
  auto const queued = spawn(here, await_job(pool.submit([&ran] {
                              ran = true;
                              return 1;
                            })));
  here.run_all();
  queued->cancel();
  here.run_until([&] { return queued->done(); });
  CHECK(queued->was_cancelled());
  CHECK_FALSE(ran);
}

TEST_CASE("thread_pool_executor: items posted from outside, or as the last ones, are begun in the order of the posts",
          "[thread_pool_executor]") {
  thread_pool pool(1);
  std::vector<int> list, expected;
  std::vector<std::unique_ptr<recorded_work>> items;
  int const count = 300;
  for (int i = 0; i < 2 * count; ++i) {
    items.push_back(std::make_unique<recorded_work>(list, i));
    expected.push_back(i);
  }
  pool.submit([&] {
        for (int i = 0; i < count; ++i) pool.get_executor().post_last(*items[std::size_t(i)]);
      })
      .get();
  for (int i = count; i < 2 * count; ++i) pool.get_executor().post(*items[std::size_t(i)]);
  pool.wait_idle();
  CHECK(list == expected);
}

TEST_CASE("thread_pool_executor: items that a worker posts are begun newest first, before those from outside",
          "[thread_pool_executor]") {
  thread_pool pool(1);
  std::vector<int> list;
  std::vector<std::unique_ptr<recorded_work>> items;
  for (int i = 0; i < 8; ++i) items.push_back(std::make_unique<recorded_work>(list, i));
  event told;
  auto giving = pool.submit([&] {
    told.wait();
    pool.get_executor().post_last(*items[4]);
    for (std::size_t i = 0; i < 4; ++i) pool.get_executor().post(*items[i]);
  });
  pool.get_executor().post(*items[5]);
  pool.get_executor().post(*items[6]);
  pool.get_executor().post(*items[7]);
  told.set();
  giving.get();
  pool.wait_idle();
  CHECK(list == std::vector{3, 2, 1, 0, 5, 6, 7, 4});
  CHECK(pool.get_executor().newest_first());
}

TEST_CASE("thread_pool_executor: items that post themselves again do not keep jobs waiting, nor jobs the items",
          "[thread_pool_executor]") {
  struct restless : concur::work {
    restless(thread_pool& pool, std::atomic<bool>& over)
        : work([](concur::work& self) noexcept {
            auto& mine = static_cast<restless&>(self);
            ++mine.turns;
            if (!mine.over_ && mine.turns < 1'000'000) mine.pool_.get_executor().post(mine);
          }),
          pool_(pool),
          over_(over) {}
    thread_pool& pool_;
    std::atomic<bool>& over_;
    int turns = 0;
  };
  thread_pool pool(1);
  std::atomic<bool> over{false};
  restless item(pool, over);
  pool.get_executor().post(item);
  int jobs = 0;
  for (int i = 0; i < 100; ++i) pool.post([&jobs] { ++jobs; });
  pool.submit([&over] { over = true; }).get();
  pool.wait_idle();
  CHECK(jobs == 100);
  CHECK(item.turns > 1);
  CHECK(item.turns < 1'000'000);
}

// ---- timers

namespace {

struct timed_item final : concur::work {
  timed_item()
      : work([](concur::work& self) noexcept {
          auto& mine = static_cast<timed_item&>(self);
          mine.executor = concur::current_executor();
          mine.early = concur::os::clock::now() < mine.when;
          mine.rang.set();
        }) {}

  void arm(thread_pool& pool, concur::os::clock::duration length) {
    when = concur::os::clock::now() + length;
    pool.get_executor().arm(*this, when);
  }

  concur::os::clock::time_point when;
  concur::executor* executor = nullptr;
  bool early = false;
  event rang;
};

}  // namespace

TEST_CASE("thread_pool_executor: a timer's item runs on a worker when it is due, and not before",
          "[thread_pool_executor]") {
  thread_pool pool(2);
  for (auto const length : {-1h, 0h}) {
    timed_item a;
    a.arm(pool, length);
    a.rang.wait();
    CHECK(a.executor == &pool.get_executor());
    pool.wait_idle();
  }
  for (int round = 0; round < 20; ++round) {
    timed_item a;
    a.arm(pool, std::chrono::microseconds(100 * round));
    a.rang.wait();
    CHECK_FALSE(a.early);
    CHECK_FALSE(pool.get_executor().disarm(a));  // too late
    pool.wait_idle();
  }
  timed_item lowest;
  pool.get_executor().arm(lowest, concur::os::clock::time_point::min());
  lowest.rang.wait();
  pool.wait_idle();
}

TEST_CASE("thread_pool_executor: a timer taken back in time never rings, and may be armed again",
          "[thread_pool_executor]") {
  thread_pool pool(1);
  timed_item a;
  for (auto const length : {1h, 2h}) {
    a.arm(pool, length);
    CHECK(pool.get_executor().disarm(a));
  }
  pool.get_executor().arm(a, concur::os::never);
  CHECK(pool.get_executor().disarm(a));
  CHECK_FALSE(a.rang.is_set());
  a.arm(pool, 1ms);
  a.rang.wait();
  pool.wait_idle();
}

TEST_CASE("thread_pool_executor: an earlier timer is noticed by workers that sleep until a later one",
          "[thread_pool_executor]") {
  for (std::size_t const workers : {1u, 2u}) {
    thread_pool pool(workers);
    for (int round = 0; round < 30; ++round) {
      timed_item later, sooner, soonest;
      later.arm(pool, 1h);
      // They are awake; asleep; or just about to fall asleep.
      if (round % 3 == 1) support::wait_until_others_sleep();
      if (round % 3 == 2) std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
      sooner.arm(pool, 2ms);
      soonest.arm(pool, 1ms);
      sooner.rang.wait();
      soonest.rang.wait();
      CHECK(pool.get_executor().disarm(later));
      pool.wait_idle();
    }
  }
}

TEST_CASE("thread_pool_executor: timers ring while all workers but one are held", "[thread_pool_executor]") {
  for (std::size_t const workers : {2u, 3u}) {
    thread_pool pool(workers);
    for (int round = 0; round < 20; ++round) {
      timed_item first, second, third;
      // Who is held in the end may be the one that slept until a timer.
      first.arm(pool, std::chrono::microseconds(300 * (round % 7)));
      second.arm(pool, std::chrono::microseconds(300 * (round % 5)));
      held_workers const held(pool, int(workers) - 1);
      third.arm(pool, std::chrono::microseconds(300 * (round % 3)));
      first.rang.wait();
      second.rang.wait();
      third.rang.wait();
    }
    pool.wait_idle();
  }
}

TEST_CASE("thread_pool_executor: timers that are due together ring in the order of their deadlines",
          "[thread_pool_executor]") {
  thread_pool pool(1);
  std::vector<int> list, expected;
  std::vector<std::unique_ptr<recorded_work>> all;
  {
    held_workers const held(pool, 1);
    auto const past = concur::os::clock::now() - 1h;
    for (int i = 0; i < 50; ++i) {
      int const number = i * 7 % 50;
      all.push_back(std::make_unique<recorded_work>(list, number));
      pool.get_executor().arm(*all.back(), past + std::chrono::milliseconds(number));
      expected.push_back(i);
    }
    CHECK(list.empty());
  }
  pool.submit([] {}).get();
  pool.wait_idle();
  CHECK(list == expected);
}

TEST_CASE("thread_pool_executor: disarm beside the deadline says whether the item runs", "[thread_pool_executor]") {
  thread_pool pool(2);
  int taken_back = 0;
  for (int round = 0; round < rounds(3'000); ++round) {
    timed_item a;
    a.arm(pool, std::chrono::microseconds(round % 50));
    for (int pause = round % 97; pause > 0; --pause) concur::os::spin_pause();
    if (pool.get_executor().disarm(a)) {
      ++taken_back;
      pool.wait_idle();
      REQUIRE_FALSE(a.rang.is_set());
    } else {
      a.rang.wait();
      pool.wait_idle();
    }
  }
  INFO(taken_back);
  SUCCEED();
}

TEST_CASE("thread_pool_executor: timers armed and taken back by many threads at once", "[thread_pool_executor]") {
  thread_pool pool(2);
  std::atomic<int> lost{0};
  support::hammer crowd;
  crowd.add(3, [&] {
    for (int i = 0; i < rounds(1'000); ++i) {
      timed_item a, b;
      a.arm(pool, std::chrono::microseconds(i % 300));
      b.arm(pool, 1h);
      if (!pool.get_executor().disarm(b)) ++lost;
      if (i % 3 != 0 || !pool.get_executor().disarm(a)) {
        a.rang.wait();
      }
    }
  });
  crowd.run();
  CHECK(lost == 0);
}
