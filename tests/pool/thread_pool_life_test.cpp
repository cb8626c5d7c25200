// SPDX-License-Identifier: BSL-1.0
//
// Pools made and destroyed again and again, pools that idle, and pools under a load of every kind at once.
#include <concur/pool/thread_pool.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/interruptions.hpp"
#include "pool_support.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <malloc.h>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::future;
using concur::thread_pool;
using concur::thread_pool_options;
using support::counted_value;
using support::nothing_left_behind;
using support::rounds;
using support::soon;

}  // namespace

TEST_CASE("thread_pool_life: many thousands one after the other leave nothing behind", "[thread_pool_life]") {
  std::atomic<int> ran{0};
  auto const use = [&ran](int count) {
    for (int i = 0; i < count; ++i) {
      thread_pool pool(std::size_t(i % 2 + 1));
      if (i % 4 >= 2) pool.post([&ran] { ++ran; });
      if (i % 8 >= 6) static_cast<void>(pool.submit([&ran] { ++ran; }));
      if (i % 16 == 15) pool.shutdown(i % 32 == 31, i % 64 >= 32);
    }
  };
  use(128);
  nothing_left_behind const balance;
  auto const before = ::mallinfo2();
  // Starting threads takes longer under signals.
  int const count = rounds(support::interruptions::count() == 0 ? 100'000 : 10'000);
  use(count);
  auto const after = ::mallinfo2();
  CHECK(balance.holds());
  CHECK(ran > count / 2);
  if (!support::slow_build) CHECK(after.uordblks < before.uordblks + 100'000);  // a byte for each would be too much
}

TEST_CASE("thread_pool_life: destroyed at any moment after a submit, every job has run", "[thread_pool_life]") {
  nothing_left_behind const balance;
  for (int round = 0; round < rounds(3'000); ++round) {
    std::atomic<int> ran{0};
    future<int> f;
    {
      thread_pool pool(std::size_t(round % 3 + 1));
      if (round % 5 == 0) pool.wait_idle();  // so that the workers may sleep
      for (int i = round % 4; i > 0; --i) pool.post([&ran, mine = counted_value(1)] { ++ran; });
      f = pool.submit([&pool, &ran] {
        pool.post([&ran] { ++ran; });
        return pool.submit([] { return 3; }).get();
      });
      for (int pause = round % 128; pause > 0; --pause) concur::os::spin_pause();
    }
    REQUIRE(f.done());
    REQUIRE(f.get() == 3);
    REQUIRE(ran == round % 4 + 1);
    REQUIRE(counted_value::alive() == 0);
  }
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_life: made and destroyed by several threads at once", "[thread_pool_life]") {
  nothing_left_behind const balance;
  std::atomic<int> ran{0};
  int const times = rounds(1'000);
  support::hammer crowd;
  crowd.add(4, [&] {
    for (int i = 0; i < times; ++i) {
      thread_pool pool(2);
      pool.post([&ran] { ++ran; });
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) static_cast<void>(concur::dump_registry());
  });
  crowd.run();
  CHECK(ran == 4 * times);
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_life: a pool that makes pools that make pools", "[thread_pool_life]") {
  nothing_left_behind const balance;
  struct nest {
    static int deep(int left) {
      if (left == 0) return 0;
      thread_pool pool(1);
      return 1 + pool.submit(deep, left - 1).get();
    }
  };
  CHECK(nest::deep(20) == 20);
  CHECK(balance.holds());
}

TEST_CASE("thread_pool_life: a steady load needs no more and more memory", "[thread_pool_life]") {
  if (support::slow_build) return;  // sanitizers keep what was freed
  thread_pool pool(2);
  auto const load = [&pool](int times) {
    for (int i = 0; i < times; ++i) {
      for (int j = 0; j < 100; ++j) pool.post([] {});
      std::vector<future<int>> futures;
      for (int j = 0; j < 100; ++j) futures.push_back(pool.submit([j] { return j; }));
      for (auto& each : futures) each.get();
      pool.wait_idle();
    }
  };
  load(20);
  auto const before = ::mallinfo2();
  auto const reserved = concur::process_wide::recycled_frames::bytes_reserved();
  load(300);
  auto const after = ::mallinfo2();
  CHECK(after.uordblks < before.uordblks + 60'000);  // a byte for each job would be more
  CHECK(concur::process_wide::recycled_frames::bytes_reserved() < reserved + 1'000'000);  // so would 17
}

TEST_CASE("thread_pool_life: workers that have nothing to do use no processor time", "[thread_pool_life]") {
  if (support::interruptions::count() != 0) return;  // every signal makes a sleeper look again
  constexpr std::size_t workers = 3;
  std::mutex guard;
  std::vector<clockid_t> clocks;
  auto const note_clock = [&] {
    clockid_t mine{};
    pthread_getcpuclockid(pthread_self(), &mine);
    std::lock_guard const held(guard);
    clocks.push_back(mine);
  };
  thread_pool pool(workers, thread_pool_options().initializer(note_clock));
  REQUIRE(clocks.size() == workers);
  auto const used = [&clocks] {
    std::int64_t nanoseconds = 0;
    for (auto const each : clocks) {
      timespec time{};
      clock_gettime(each, &time);
      nanoseconds += time.tv_sec * std::int64_t(1'000'000'000) + time.tv_nsec;
    }
    return nanoseconds;
  };
  // There comes a stretch in which they use none at all; for one that looks again and again it never does.
  auto const rests = [&used] {
    auto const before = used();
    std::this_thread::sleep_for(30ms);
    return used() == before;
  };
  CHECK(soon(rests));
  pool.submit([] {}).get();
  CHECK(soon(rests));
  auto many = pool.submit_many([](int n) { return n; }, std::vector<int>(1'000));
  pool.wait_idle();
  CHECK(soon(rests));
  pool.shutdown(false);
}

TEST_CASE("thread_pool_life: several threads submit, cancel, wait and drop at random, and all is accounted for",
          "[thread_pool_life]") {
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> submitted{0}, ran{0}, cancelled{0}, with_value{0}, dropped{0}, wrong{0}, posted{0}, posts_ran{0};
    {
      thread_pool pool(2);
      std::atomic<unsigned> seed{0};
      support::hammer crowd;
      crowd.add(4, [&] {
        std::minstd_rand random(100u * unsigned(round) + ++seed);
        std::array<std::optional<future<int>>, 16> held;
        auto const settle = [&](std::optional<future<int>>& one, int expected) {
          auto const error = one->error();
          if (error == nullptr) {
            ++with_value;
            wrong += one->get() == expected ? 0 : 1;
          } else {
            ++cancelled;
            wrong += support::is_cancelled(error) ? 0 : 1;
          }
          one.reset();
        };
        std::array<int, 16> expected{};
        for (int i = 0; i < rounds(10'000); ++i) {
          auto const which = random() % held.size();
          auto& one = held[which];
          if (!one) {
            expected[which] = i;
            auto const job = [&ran, i, mine = counted_value(1)] {
              ++ran;
              return i;
            };
            if (random() % 4 == 0) {
              // A job that waits for another, which may be cancelled in its place.
              one = pool.submit([&pool, job] { return pool.submit(job).get(); });
            } else {
              one = pool.submit(concur::job_priority(random() % 3), job);
            }
            ++submitted;
            continue;
          }
          switch (random() % 6) {
            case 0: one->cancel(); break;
            case 1:
              one->cancel();
              settle(one, expected[which]);
              break;
            case 2:
              one.reset();
              ++dropped;
              break;
            case 3:
              if (one->done()) settle(one, expected[which]);
              break;
            case 4:
              pool.post([&posts_ran, mine = counted_value(1)] { ++posts_ran; });
              ++posted;
              break;
            default: settle(one, expected[which]); break;
          }
        }
        for (std::size_t i = 0; i < held.size(); ++i) {
          if (held[i]) settle(held[i], expected[i]);
        }
      });
      crowd.run();
    }
    CHECK(wrong == 0);
    CHECK(submitted == with_value + cancelled + dropped);
    CHECK(ran >= with_value);
    CHECK(ran <= submitted - cancelled);
    CHECK(posts_ran == posted);
    CHECK(counted_value::alive() == 0);
  }
}
