// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/parallel_for.hpp>

#include "../support/failing_new.hpp"
#include "../support/forked.hpp"
#include "parallel_support.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using concur::grain;
using concur::parallel_for;
using concur::thread_pool;
using support::for_every_caller;
using support::hammer;
using support::happens;
using support::numbers_thrown;
using support::rounds;
using support::seen_soon;
using support::visits;

struct failure {
  int number;
};

// Elements that cost nothing, little, or very different times.
void work_for(std::size_t rounds) {
  for (std::atomic<std::size_t> i{0}; i.load(std::memory_order_relaxed) < rounds;) {
    i.store(i.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

std::array<grain, 5> const grains{grain::automatic(), grain(1), grain(7), grain(500), grain(UINT64_MAX)};

// The integers from `first` up to `last`, as parallel_for gives them to its body, in order.
template <class First, class Last>
auto visited(thread_pool& pool, First first, Last last, grain const& parts = grain::automatic()) {
  using integer = std::common_type_t<First, Last>;
  std::mutex adding;
  std::multiset<integer> seen;
  parallel_for(
      pool, first, last,
      [&](auto i) {
        static_assert(std::is_same_v<decltype(i), integer>);
        std::lock_guard const hold(adding);
        seen.insert(i);
      },
      parts);
  return std::vector<integer>(seen.begin(), seen.end());
}

template <class Integer>
std::vector<Integer> counted_from(Integer first, int size) {
  std::vector<Integer> all;
  for (int i = 0; i < size; ++i) all.push_back(first++);
  return all;
}

struct cell {
  int visited = 0;
  void visit() { ++visited; }
};

struct neither_copied_nor_moved {
  explicit neither_copied_nor_moved(visits& seen) : counts(seen) {}
  neither_copied_nor_moved(neither_copied_nor_moved const&) = delete;
  neither_copied_nor_moved& operator=(neither_copied_nor_moved const&) = delete;
  void operator()(std::size_t i) { counts.add(i); }
  visits& counts;
};

}  // namespace

TEST_CASE("parallel_for: each index once, whatever the size, the grain and the caller", "[parallel_for]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (std::size_t const size : {0u, 1u, 2u, 3u, 13u, 14u, 15u, 1'000u, 20'000u}) {
      for (grain const& parts : grains) {
        visits seen(size);
        parallel_for(pool, std::size_t(0), size, [&](std::size_t i) { seen.add(i); }, parts);
        wrong += !seen.all_are(1);
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_for: each of a million indices once, and what was done there is seen", "[parallel_for]") {
  std::atomic<int> wrong{0};
  auto const size = rounds(1'000'000);
  for_every_caller([&](thread_pool& pool) {
    for (grain const& parts : {grain::automatic(), grain(100)}) {
      std::vector<int> counts(static_cast<std::size_t>(size));  // not atomic
      parallel_for(pool, 0, size, [&](int i) { ++counts[static_cast<std::size_t>(i)]; }, parts);
      for (int const each : counts) wrong += each != 1;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_for: elements that cost nothing, little, more and more, or suddenly much", "[parallel_for]") {
  thread_pool pool(4);
  auto const each_once = [&](std::size_t size, auto cost) {
    visits seen(size);
    parallel_for(pool, std::size_t(0), size, [&](std::size_t i) {
      seen.add(i);
      work_for(cost(i));
    });
    return seen.all_are(1);
  };
  auto const many = static_cast<std::size_t>(rounds(100'000));
  CHECK(each_once(many, [](std::size_t) { return 0u; }));
  CHECK(each_once(many, [](std::size_t) { return 5u; }));
  CHECK(each_once(500, [](std::size_t i) { return 10 * i; }));
  CHECK(each_once(500, [](std::size_t i) { return 10 * (500 - i); }));
  CHECK(each_once(20'000, [](std::size_t i) { return i % 2'000 == 1'999 ? 20'000u : 1u; }));
  CHECK(each_once(40, [](std::size_t) { return 20'000u; }));
  int done = 0;
  parallel_for(pool, 0, rounds(1'000'000), [](int) {});
  parallel_for(pool, 0, 1, [&](int) { ++done; });
  CHECK(done == 1);
}

TEST_CASE("parallel_for: at the ends of every type", "[parallel_for]") {
  thread_pool pool(4);
  for (grain const& parts : grains) {
    CHECK(visited<signed char, signed char>(pool, -128, 127, parts) == counted_from<signed char>(-128, 255));
    CHECK(visited<unsigned char, unsigned char>(pool, 0, 255, parts) == counted_from<unsigned char>(0, 255));
    CHECK(visited<short, short>(pool, SHRT_MAX - 5, SHRT_MAX, parts) == counted_from<short>(SHRT_MAX - 5, 5));
    CHECK(visited(pool, INT_MIN, INT_MIN + 5, parts) == counted_from(INT_MIN, 5));
    CHECK(visited(pool, INT_MAX - 5, INT_MAX, parts) == counted_from(INT_MAX - 5, 5));
    CHECK(visited(pool, -3, 3, parts) == counted_from(-3, 6));
    CHECK(visited(pool, UINT_MAX - 5, UINT_MAX, parts) == counted_from(UINT_MAX - 5, 5));
    CHECK(visited(pool, INT64_MIN, INT64_MIN + 5, parts) == counted_from(INT64_MIN, 5));
    CHECK(visited(pool, INT64_MAX - 5, INT64_MAX, parts) == counted_from(INT64_MAX - 5, 5));
    CHECK(visited(pool, UINT64_MAX - 5, UINT64_MAX, parts) == counted_from(UINT64_MAX - 5, 5));
    CHECK(visited(pool, 'a', 'f', parts) == counted_from('a', 5));
  }
}

TEST_CASE("parallel_for: from one end of a type to the other", "[parallel_for]") {
  // The size needs all 64 bits. An error ends it.
  std::vector<std::int64_t> seen;
  thread_pool pool(1);
  pool.submit([&] {
        try {
          parallel_for(pool, INT64_MIN, INT64_MAX, [&](std::int64_t i) {
            seen.push_back(i);
            if (seen.size() == 100) throw failure{1};
          });
        } catch (failure const&) {
        }
      })
      .get();
  CHECK(seen == counted_from(INT64_MIN, 100));
}

TEST_CASE("parallel_for: two types meet in their common one", "[parallel_for]") {
  thread_pool pool(2);
  CHECK(visited(pool, 0, std::size_t(5)) == counted_from(std::size_t(0), 5));
  CHECK(visited(pool, -2, 3L) == counted_from(-2L, 5));
  CHECK(visited(pool, 3u, 5) == counted_from(3u, 2));
  CHECK(visited(pool, short(-2), static_cast<signed char>(2)) == counted_from(-2, 4));
}

TEST_CASE("parallel_for: nothing to do when the end is not greater than the beginning", "[parallel_for]") {
  thread_pool pool(2);
  int calls = 0;
  auto const count = [&](auto) { ++calls; };
  for (grain const& parts : grains) {
    parallel_for(pool, 0, 0, count, parts);
    parallel_for(pool, 5, 4, count, parts);
    parallel_for(pool, INT_MAX, INT_MIN, count, parts);
    parallel_for(pool, 5u, 4u, count, parts);
    parallel_for(pool, std::size_t(0), -1, count, parts);
    parallel_for(pool, std::vector<int>(), count, parts);
  }
  CHECK(calls == 0);
}

TEST_CASE("parallel_for: a negative beginning and an unsigned end is misuse", "[parallel_for][misuse]") {
  thread_pool pool(2);
  int calls = 0;
  CHECK_THROWS_AS(parallel_for(pool, -1, std::size_t(5), [&](std::size_t) { ++calls; }), concur::misuse);
  CHECK(calls == 0);
}

TEST_CASE("grain: at least one element, and halves that are not smaller", "[parallel_for][misuse]") {
  CHECK_THROWS_AS(grain(0), concur::misuse);
  CHECK(grain::automatic().is_automatic());
  CHECK_FALSE(grain(1).is_automatic());
  CHECK_FALSE(grain(1).divides(1));
  CHECK(grain(1).divides(2));
  CHECK_FALSE(grain(500).divides(999));
  CHECK(grain(500).divides(1000));
  CHECK_FALSE(grain(UINT64_MAX).divides(UINT64_MAX));
  CHECK_FALSE(grain(UINT64_MAX / 2 + 1).divides(UINT64_MAX));
  CHECK(grain(UINT64_MAX / 2).divides(UINT64_MAX));
}

TEST_CASE("parallel_for: elements of ranges", "[parallel_for]") {
  thread_pool pool(4);
  auto const all_visited = [](auto const& cells) {
    return std::ranges::all_of(cells, [](cell const& each) { return each.visited == 1; });
  };
  std::vector<cell> vector(1000);
  parallel_for(pool, vector, [](cell& each) { each.visit(); }, grain(10));
  CHECK(all_visited(vector));
  cell array[100];
  parallel_for(pool, array, &cell::visit, grain(10));
  CHECK(all_visited(array));
  std::deque<cell> deque(1000);
  parallel_for(pool, deque | std::views::reverse | std::views::drop(1), &cell::visit);
  CHECK(deque[999].visited == 0);
  deque[999].visit();
  CHECK(all_visited(deque));
  parallel_for(pool, std::span(array), [](cell& each) { --each.visited; });
  parallel_for(pool, std::begin(array), std::end(array), &cell::visit);
  CHECK(all_visited(array));

  std::vector<cell> const constant(10);
  std::atomic<int> sum{0};
  parallel_for(pool, constant, [&](cell const& each) { sum += 1 + each.visited; });
  parallel_for(pool, std::vector<int>{1, 2, 3}, [&](int& each) { sum += each; });
  parallel_for(pool, std::views::iota(10, 14), [&](int each) { sum += each; }, grain(1));
  parallel_for(pool, constant.begin(), constant.end(), [&](cell const&) { ++sum; }, grain(2));
  CHECK(sum == 10 + 6 + 46 + 10);

  std::vector<std::unique_ptr<int>> pointers(100);
  parallel_for(pool, pointers, [](std::unique_ptr<int>& each) { each = std::make_unique<int>(1); }, grain(3));
  CHECK(std::ranges::all_of(pointers, [](auto const& each) { return each != nullptr; }));
}

TEST_CASE("parallel_for: the body is called where it is", "[parallel_for]") {
  thread_pool pool(4);
  visits seen(1000);
  neither_copied_nor_moved body(seen);
  parallel_for(pool, std::size_t(0), std::size_t(1000), body, grain(10));
  parallel_for(pool, std::size_t(0), std::size_t(1000), body);
  CHECK(seen.all_are(2));
}

TEST_CASE("parallel_for: from more threads at once than have a place in the pool", "[parallel_for]") {
  thread_pool pool(2);
  std::atomic<int> wrong{0};
  hammer crowd;
  crowd.add(12, [&] {
    for (int i = 0; i < rounds(30); ++i) {
      for (grain const& parts : grains) {
        visits seen(500);
        parallel_for(
            pool, 0, 500,
            [&](int each) {
              seen.add(std::size_t(each));
              work_for(20);
            },
            parts);
        wrong += !seen.all_are(1);
      }
    }
  });
  crowd.run();
  CHECK(wrong == 0);
}

TEST_CASE("parallel_for: loops within loops", "[parallel_for]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (grain const& outer : {grain::automatic(), grain(1)}) {
      for (grain const& inner : {grain::automatic(), grain(1), grain(20)}) {
        visits seen(100 * 100);
        parallel_for(
            pool, std::size_t(0), std::size_t(100),
            [&](std::size_t row) {
              parallel_for(
                  pool, std::size_t(0), std::size_t(100),
                  [&](std::size_t column) {
                    seen.add(100 * row + column);
                    work_for(50);
                  },
                  inner);
            },
            outer);
        wrong += !seen.all_are(1);
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_for: within a loop of another pool", "[parallel_for]") {
  thread_pool one(2), other(2);
  visits seen(50 * 50);
  auto const half_of_all = [&](thread_pool& outer, thread_pool& inner) {
    parallel_for(
        outer, std::size_t(0), std::size_t(50),
        [&](std::size_t row) {
          parallel_for(
              inner, std::size_t(0), std::size_t(50), [&](std::size_t column) { seen.add(50 * row + column); },
              grain(5));
        },
        grain(1));
  };
  hammer crowd;
  crowd.add([&] { half_of_all(one, other); });
  crowd.add([&] { half_of_all(other, one); });
  crowd.run();
  CHECK(seen.all_are(2));
}

TEST_CASE("parallel_for: elements submit jobs and wait for them", "[parallel_for]") {
  std::atomic<int> sum{0};
  for_every_caller([&](thread_pool& pool) {
    for (grain const& parts : {grain::automatic(), grain(1)}) {
      parallel_for(pool, 0, 200, [&](int i) { sum += pool.submit([i] { return i; }).get(); }, parts);
    }
  });
  CHECK(sum == 6 * 2 * 199 * 100);
}

TEST_CASE("parallel_for: an error in one element is thrown as it is", "[parallel_for]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (grain const& parts : grains) {
      for (int const failing : {0, 1, 499, 998, 999}) {
        visits seen(1000);
        auto const thrown = numbers_thrown<failure>([&] {
          parallel_for(
              pool, 0, 1000,
              [&](int i) {
                seen.add(std::size_t(i));
                work_for(10);
                if (i == failing) throw failure{i};
              },
              parts);
        });
        wrong += thrown != std::vector{failing} || seen.of(std::size_t(failing)) != 1 || seen.sum() > 1000;
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_for: where nobody helps, nothing is visited after an error", "[parallel_for]") {
  thread_pool pool(1);
  for (grain const& parts : grains) {
    std::vector<int> seen;
    CHECK_THROWS_AS(pool.submit([&] {
                          parallel_for(
                              pool, 0, 10'000,
                              [&](int i) {
                                seen.push_back(i);
                                work_for(10);
                                if (i == 7'000) throw failure{i};
                              },
                              parts);
                        })
                        .get(),
                    failure);
    CHECK(seen == counted_from(0, 7'001));
  }
}

TEST_CASE("parallel_for: each error is thrown once, alone or with the others", "[parallel_for]") {
  thread_pool pool(4);
  bool several = false;
  for (int i = 0; i < rounds(2'000); ++i) {
    std::atomic<int> entered{0};
    visits seen(8);
    auto thrown = numbers_thrown<failure>([&] {
      parallel_for(
          pool, 0, 8,
          [&](int element) {
            ++entered;
            seen.add(std::size_t(element));
            // So that another one may be under way.
            for (int j = 0; j < 20 && entered == 1; ++j) std::this_thread::yield();
            throw failure{element};
          },
          grain(1));
    });
    several |= thrown.size() > 1;
    std::ranges::sort(thrown);
    std::vector<int> expected;
    for (int element = 0; element < 8; ++element) {
      if (seen.of(std::size_t(element)) == 1) expected.push_back(element);
    }
    REQUIRE(thrown == expected);
    REQUIRE(seen.sum() == thrown.size());
  }
  CHECK(several);
}

TEST_CASE("parallel_for: an error stops what has not begun", "[parallel_for]") {
  thread_pool pool(4);
  for (grain const& parts : {grain::automatic(), grain(1)}) {
    CHECK(happens([&] {
      std::atomic<int> calls{0};
      auto const body = [&](int i) {
        ++calls;
        work_for(1'000);
        if (i == 0) throw failure{i};
      };
      CHECK_THROWS_AS(parallel_for(pool, 0, 1'000, body, parts), failure);
      return calls < 1'000;
    }));
  }
}

TEST_CASE("parallel_for: the elements of a loop are visited by several threads", "[parallel_for]") {
  thread_pool pool(2);
  for (grain const& parts : {grain::automatic(), grain(1)}) {
    auto const spreads = [&] {
      return happens([&] {
        auto const caller = std::this_thread::get_id();
        std::atomic<bool> elsewhere{false};
        parallel_for(
            pool, 0, 10,
            [&](int) {
              if (std::this_thread::get_id() != caller) elsewhere = true;
              for (int i = 0; i < 100 && !elsewhere; ++i) std::this_thread::yield();
            },
            parts);
        return elsewhere.load();
      });
    };
    CHECK(spreads());
    CHECK(pool.submit(spreads).get());
  }
}

TEST_CASE("parallel_for: a loop of some hundred cheap elements stays on the calling thread", "[parallel_for]") {
  thread_pool pool(2);
  // It may be interrupted, and then take long.
  CHECK(happens([&] {
    std::atomic<int> taking_part{0};
    parallel_for(pool, 0, 100, [&](int) { taking_part += concur::detail::pool_member::current() != nullptr; });
    return taking_part == 0;
  }));
}

TEST_CASE("parallel_for: allocates nothing", "[parallel_for]") {
  thread_pool pool(4);
  visits seen(1000);
  for (grain const& parts : grains) {
    bool allocated = false;
    {
      support::failing_new const shortage(1);
      parallel_for(
          pool, 0, 1000,
          [&](int i) {
            seen.add(std::size_t(i));
            work_for(100);
          },
          parts);
      allocated = shortage.happened();
    }
    CHECK_FALSE(allocated);
  }
  CHECK(seen.all_are(int(grains.size())));
}

TEST_CASE("parallel_for: after a shutdown the caller does everything", "[parallel_for]") {
  thread_pool pool(2);
  pool.shutdown();
  for (grain const& parts : grains) {
    visits seen(1000);
    parallel_for(
        pool, 0, 1000,
        [&](int i) {
          seen.add(std::size_t(i));
          work_for(100);
        },
        parts);
    CHECK(seen.all_are(1));
  }
}

TEST_CASE("parallel_for: the caller takes the place of a worker", "[parallel_for]") {
  thread_pool pool(1);
  auto const caller = std::this_thread::get_id();
  for (int round = 0; round < rounds(200); ++round) {
    // So that the worker is awake when the loop begins: it has just begun a job, or looks for another.
    std::atomic<bool> awake{false};
    pool.post([&awake] { awake = true; });
    while (!awake) std::this_thread::yield();
    std::atomic<bool> elsewhere{false};
    parallel_for(
        pool, 0, 32,
        [&](int) {
          work_for(500);
          if (std::this_thread::get_id() != caller) elsewhere = true;
        },
        grain(1));
    if (elsewhere) FAIL("a worker took a part in round " << round);
  }
  SUCCEED();
}

// Whoever was woken for a part that is gone when it comes can be woken for the next one. The parts of the second loop
// wait for each other, which is only right because nothing else is done with the pool.
TEST_CASE("parallel_for: a worker that came too late comes again", "[parallel_for]") {
  thread_pool pool(2);
  for (int round = 0; round < rounds(20); ++round) {
    support::wait_until_others_sleep();
    parallel_for(pool, 0, 2, [](int) {}, grain(1));
    support::wait_until_others_sleep();
    std::atomic<int> here{0};
    parallel_for(
        pool, 0, 2,
        [&](int) {
          ++here;
          while (here != 2) std::this_thread::yield();
        },
        grain(1));
    if (here != 2) FAIL("a part was left out in round " << round);
  }
  SUCCEED();
}
