// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/parallel_invoke.hpp>

#include "../support/failing_new.hpp"
#include "parallel_support.hpp"
#include "pool_support.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using concur::parallel_invoke;
using concur::thread_pool;
using support::for_every_caller;
using support::hammer;
using support::happens;
using support::numbers_thrown;
using support::rounds;
using support::seen_soon;

struct failure {
  int number;
};

long fibonacci(thread_pool& pool, int n) {
  if (n < 2) return n;
  long a = 0, b = 0;
  parallel_invoke(pool, [&] { a = fibonacci(pool, n - 1); }, [&] { b = fibonacci(pool, n - 2); });
  return a + b;
}

// Each level leaves a fork behind until the ones above it have returned.
void descend(thread_pool& pool, int levels, std::atomic<int>& calls) {
  ++calls;
  if (levels == 0) return;
  parallel_invoke(pool, [&] { ++calls; }, [&] { descend(pool, levels - 1, calls); });
}

struct neither_copied_nor_moved {
  neither_copied_nor_moved() = default;
  neither_copied_nor_moved(neither_copied_nor_moved const&) = delete;
  neither_copied_nor_moved& operator=(neither_copied_nor_moved const&) = delete;
  void operator()() { ++calls; }
  std::atomic<int> calls{0};  // the same object may be called by several threads at once
};

void add_one(std::atomic<int>& number) { ++number; }
std::atomic<int> called_by_pointer{0};
void call_by_pointer() { add_one(called_by_pointer); }

}  // namespace

TEST_CASE("parallel_invoke: one to five functions, each called once", "[parallel_invoke]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (int i = 0; i < rounds(1000); ++i) {
      int a = 0, b = 0, c = 0, d = 0, e = 0;
      auto const expect = [&](int all) { wrong += a + 10 * b + 100 * c + 1000 * d + 10'000 * e != all; };
      parallel_invoke(pool, [&] { ++a; });
      expect(1);
      parallel_invoke(pool, [&] { ++a; }, [&] { ++b; });
      expect(12);
      parallel_invoke(pool, [&] { ++a; }, [&] { ++b; }, [&] { ++c; });
      expect(123);
      parallel_invoke(pool, [&] { ++a; }, [&] { ++b; }, [&] { ++c; }, [&] { ++d; });
      expect(1234);
      parallel_invoke(pool, [&] { ++a; }, [&] { ++b; }, [&] { ++c; }, [&] { ++d; }, [&] { ++e; });
      expect(12345);
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_invoke: the last function runs on the calling thread", "[parallel_invoke]") {
  std::atomic<int> elsewhere{0};
  for_every_caller([&](thread_pool& pool) {
    for (int i = 0; i < rounds(1000); ++i) {
      auto const caller = std::this_thread::get_id();
      auto const look = [&] { elsewhere += std::this_thread::get_id() != caller; };
      parallel_invoke(pool, look);
      parallel_invoke(pool, [] {}, look);
      parallel_invoke(pool, [] {}, [] {}, look);
    }
  });
  CHECK(elsewhere == 0);
}

TEST_CASE("parallel_invoke: functions are called where they are", "[parallel_invoke]") {
  thread_pool pool(2);
  neither_copied_nor_moved a, b;
  called_by_pointer = 0;
  parallel_invoke(pool, a, call_by_pointer, b, &call_by_pointer, a);
  CHECK(a.calls + b.calls == 3);
  CHECK(called_by_pointer == 2);
  auto const constant = [&] { ++called_by_pointer; };
  parallel_invoke(pool, constant, constant);
  CHECK(called_by_pointer == 4);
}

TEST_CASE("parallel_invoke: any of them may throw; the others run all the same", "[parallel_invoke]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (int i = 0; i < rounds(50); ++i) {
      for (unsigned failing = 0; failing < 16; ++failing) {
        int calls[4] = {};
        auto const call = [&](int which) {
          ++calls[which];
          if ((failing >> which & 1) != 0) throw failure{which};
        };
        std::vector<int> expected;
        for (int which = 0; which < 4; ++which) {
          if ((failing >> which & 1) != 0) expected.push_back(which);
        }
        auto const thrown = numbers_thrown<failure>(
            [&] { parallel_invoke(pool, [&] { call(0); }, [&] { call(1); }, [&] { call(2); }, [&] { call(3); }); });
        wrong += thrown != expected;
        for (int const each : calls) wrong += each != 1;
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_invoke: errors come through every level", "[parallel_invoke]") {
  thread_pool pool(2);
  auto const fail = [](int number) { throw failure{number}; };
  // What came as several from below is one error above.
  try {
    parallel_invoke(pool, [&] { parallel_invoke(pool, [&] { fail(1); }, [&] { fail(2); }); }, [&] { fail(3); });
    FAIL("nothing was thrown");
  } catch (concur::multiple_errors const& both) {
    REQUIRE(both.errors().size() == 2);
    CHECK(numbers_thrown<failure>([&] { std::rethrow_exception(both.errors()[0]); }) == std::vector{1, 2});
    CHECK(numbers_thrown<failure>([&] { std::rethrow_exception(both.errors()[1]); }) == std::vector{3});
  }
  int after = 0;
  parallel_invoke(pool, [&] { ++after; }, [] {});
  CHECK(after == 1);
}

TEST_CASE("parallel_invoke: calls itself", "[parallel_invoke]") {
  std::atomic<int> wrong{0};
  int const n = support::slow_build ? 15 : 22;
  long const expected = support::slow_build ? 610 : 17'711;
  for_every_caller([&](thread_pool& pool) { wrong += fibonacci(pool, n) != expected; });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_invoke: deeper than there is room for forks", "[parallel_invoke]") {
  int const levels = int(concur::detail::pool_member::room_for_forks) + 150;
  std::atomic<int> calls{0};
  int expected = 0;
  for_every_caller([&](thread_pool& pool) {
    for (int i = 0; i < 20; ++i) {
      descend(pool, levels, calls);
      expected += 2 * levels + 1;
    }
  });
  CHECK(calls == expected);
}

TEST_CASE("parallel_invoke: from more threads at once than have a place in the pool", "[parallel_invoke]") {
  thread_pool pool(2);
  std::atomic<int> wrong{0};
  hammer crowd;
  crowd.add(12, [&] {
    for (int i = 0; i < rounds(50); ++i) wrong += fibonacci(pool, 12) != 144;
  });
  crowd.run();
  CHECK(wrong == 0);
}

TEST_CASE("parallel_invoke: in jobs of other pools, there and back", "[parallel_invoke]") {
  thread_pool one(2), other(2);
  std::atomic<int> calls{0};
  std::atomic<int> strangers{0};
  auto const count = [&] { ++calls; };
  auto const look = [&](bool at_home) { strangers += !at_home; };
  for (int i = 0; i < rounds(500); ++i) {
    // Only the last function is certain to run in the job, which works for both pools and for the first one again.
    one.submit([&] {
         parallel_invoke(other, count, [&] {
           look(one.is_worker());
           parallel_invoke(one, count, [&] {
             look(one.is_worker());
             parallel_invoke(other, count, count);
           });
         });
       })
        .get();
    parallel_invoke(one, [&] { parallel_invoke(other, count, count); }, count);
  }
  CHECK(calls == 7 * rounds(500));
  CHECK(strangers == 0);
}

TEST_CASE("parallel_invoke: functions submit jobs and wait for them", "[parallel_invoke]") {
  std::atomic<int> sum{0};
  for_every_caller([&](thread_pool& pool) {
    for (int i = 0; i < rounds(300); ++i) {
      auto const wait_for_job = [&] { sum += pool.submit([] { return 1; }).get(); };
      parallel_invoke(pool, wait_for_job, wait_for_job, wait_for_job);
    }
  });
  CHECK(sum == 6 * 3 * rounds(300));
}

TEST_CASE("parallel_invoke: a worker takes a function over", "[parallel_invoke]") {
  thread_pool pool(2);
  auto const caller = std::this_thread::get_id();
  CHECK(happens([&] {
    std::atomic<bool> begun{false};
    std::thread::id first;
    parallel_invoke(
        pool,
        [&] {
          first = std::this_thread::get_id();
          begun = true;
        },
        [&] { seen_soon([&] { return begun.load(); }); });
    return first != caller;
  }));
}

TEST_CASE("parallel_invoke: a waiting worker helps the one that it waits for", "[parallel_invoke]") {
  thread_pool pool(3);
  support::held_workers const no_third(pool, 1);
  auto const helps = [&pool] {
    auto const waiting = std::this_thread::get_id();
    std::atomic<bool> outer_begun{false};
    std::atomic<bool> inner_begun{false};
    std::thread::id outer, inner;
    parallel_invoke(
        pool,
        [&] {
          outer = std::this_thread::get_id();
          outer_begun = true;
          parallel_invoke(
              pool,
              [&] {
                inner = std::this_thread::get_id();
                inner_begun = true;
              },
              [&] { seen_soon([&] { return inner_begun.load(); }); });
        },
        [&] { seen_soon([&] { return outer_begun.load(); }); });
    return outer != waiting && inner == waiting;
  };
  CHECK(happens([&] { return pool.submit(helps).get(); }));
}

TEST_CASE("parallel_invoke: nothing unrelated runs on a worker that waits", "[parallel_invoke]") {
  thread_pool pool(2);
  bool overlapped = false;
  CHECK(happens([&] {
    // A lock that is held over the call, and that another job wants.
    std::mutex held;
    std::atomic<bool> taken_over{false};
    std::atomic<bool> posted{false};
    std::atomic<bool> unrelated{false};
    pool.submit([&] {
          std::lock_guard const hold(held);
          auto const me = std::this_thread::get_id();
          parallel_invoke(
              pool,
              [&] {
                if (std::this_thread::get_id() == me) return;
                taken_over = true;
                // Both workers are at it from here on: this one here, the other one in its wait.
                seen_soon([&] { return posted.load(); });
                overlapped |= seen_soon([&] { return unrelated.load(); });
              },
              [&] {
                seen_soon([&] { return taken_over.load(); });
                pool.post([&] {
                  unrelated = true;
                  std::unique_lock const attempt(held, std::try_to_lock);  // by its own thread it would wait for ever
                });
                posted = true;
              });
        })
        .get();
    pool.wait_idle();
    return taken_over.load();
  }));
  CHECK_FALSE(overlapped);
}

TEST_CASE("parallel_invoke: allocates nothing", "[parallel_invoke]") {
  thread_pool pool(4);
  long result = 0;
  bool allocated = false;
  {
    support::failing_new const shortage(1);
    result = fibonacci(pool, 15);
    allocated = shortage.happened();
  }
  CHECK_FALSE(allocated);
  CHECK(result == 610);
}

TEST_CASE("parallel_invoke: after a shutdown the caller does everything", "[parallel_invoke]") {
  thread_pool pool(2);
  pool.shutdown();
  CHECK(fibonacci(pool, 10) == 55);
}
