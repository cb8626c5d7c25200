// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/parallel_for.hpp>
#include <concur/pool/parallel_reduce.hpp>

#include "../support/failing_new.hpp"
#include "parallel_support.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::grain;
using concur::parallel_reduce;
using concur::thread_pool;
using support::for_every_caller;
using support::hammer;
using support::happens;
using support::numbers_thrown;
using support::rounds;

struct failure {
  int number;
};

std::array<grain, 5> const grains{grain::automatic(), grain(1), grain(7), grain(500), grain(UINT64_MAX)};

std::string letter(std::size_t i) { return std::string(1, static_cast<char>('a' + i % 26)); }

std::string letters(std::size_t size) {
  std::string all;
  for (std::size_t i = 0; i < size; ++i) all += letter(i);
  return all;
}

// Gives others the time to come for a part.
void yield_some() {
  for (int i = 0; i < 20; ++i) std::this_thread::yield();
}

// Multiplication is associative and not commutative.
struct matrix {
  std::uint32_t a = 1, b = 0, c = 0, d = 1;
  friend matrix operator*(matrix x, matrix y) {
    return {x.a * y.a + x.b * y.c, x.a * y.b + x.b * y.d, x.c * y.a + x.d * y.c, x.c * y.b + x.d * y.d};
  }
  friend bool operator==(matrix, matrix) = default;
};

struct moved_only {
  explicit moved_only(long number) : value(std::make_unique<long>(number)) {}
  std::unique_ptr<long> value;
};

// Counts itself, and cannot be made from nothing.
class counted {
 public:
  explicit counted(long value) : value_(value) { ++alive(); }
  counted(counted const& other) : value_(other.value_) { ++alive(); }
  counted& operator=(counted const&) = default;
  ~counted() { --alive(); }
  long value() const { return value_; }
  static std::atomic<int>& alive() {
    static std::atomic<int> objects{0};
    return objects;
  }

 private:
  long value_;
};

// How many elements were put together, in parts of their own.
struct extent {
  explicit extent(int) {}
  extent(std::size_t elements, bool of_another_part) : size(elements), joined(of_another_part) {}
  std::size_t size = 1;
  bool joined = false;
};

}  // namespace

TEST_CASE("parallel_reduce: sums, whatever the size, the grain and the caller", "[parallel_reduce]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (int const size : {0, 1, 2, 3, 13, 14, 15, 1000, 20'000}) {
      for (grain const& parts : grains) {
        long const expected = long(size) * (size - 1) / 2;
        wrong += parallel_reduce(pool, 0, size, 0L, std::plus(), parts) != expected;
        // The first value comes in exactly once.
        wrong += parallel_reduce(pool, 0, size, 1'000L, std::plus(), std::identity(), parts) != expected + 1'000;
        std::vector<int> numbers(static_cast<std::size_t>(size), 3);
        wrong += parallel_reduce(pool, numbers, 0L, std::plus(), parts) != 3 * size;
        wrong += parallel_reduce(
                     pool, numbers.begin(), numbers.end(), 1L, std::plus(), [](int each) { return 2L * each; },
                     parts) != 6 * size + 1;
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_reduce: the operands keep their order", "[parallel_reduce]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (std::size_t const size : {0u, 1u, 2u, 100u, 5'000u}) {
      auto const expected = ">" + letters(size);
      std::vector<std::string> words;
      for (std::size_t i = 0; i < size; ++i) words.push_back(letter(i));
      for (grain const& parts : grains) {
        wrong += parallel_reduce(pool, std::size_t(0), size, std::string(">"), std::plus(), letter, parts) != expected;
        wrong += parallel_reduce(pool, words, std::string(">"), std::plus(), parts) != expected;
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_reduce: the operands keep their order when several threads have a part", "[parallel_reduce]") {
  thread_pool pool(4);
  for (grain const& parts : {grain::automatic(), grain(2)}) {
    CHECK(happens([&] {
      auto const caller = std::this_thread::get_id();
      std::atomic<int> elsewhere{0};
      auto const slow_letter = [&](std::size_t i) {
        elsewhere += std::this_thread::get_id() != caller;
        yield_some();
        return letter(i);
      };
      REQUIRE(parallel_reduce(pool, std::size_t(0), std::size_t(60), std::string(), std::plus(), slow_letter, parts) ==
              letters(60));
      return elsewhere > 0;
    }));
  }
}

TEST_CASE("parallel_reduce: a product that is not commutative", "[parallel_reduce]") {
  thread_pool pool(4);
  std::vector<matrix> factors(static_cast<std::size_t>(rounds(100'000)));
  std::uint32_t i = 0;
  for (matrix& each : factors) {
    each = {i % 7, i % 5 + 1, i % 3, i % 11};
    ++i;
  }
  matrix expected{2, 3, 5, 7};
  for (matrix const& each : factors) expected = expected * each;
  for (int round = 0; round < 5; ++round) {
    for (grain const& parts : {grain::automatic(), grain(10), grain(1000)}) {
      CHECK(parallel_reduce(pool, factors, matrix{2, 3, 5, 7}, std::multiplies(), parts) == expected);
    }
  }
}

TEST_CASE("parallel_reduce: the first or the last of all", "[parallel_reduce]") {
  thread_pool pool(4);
  auto const left = [](int a, int) { return a; };
  auto const right = [](int, int b) { return b; };
  for (grain const& parts : grains) {
    CHECK(parallel_reduce(pool, 0, 1000, -1, left, parts) == -1);
    CHECK(parallel_reduce(pool, 0, 1000, -1, right, parts) == 999);
  }
}

TEST_CASE("parallel_reduce: of nothing it is the initial value, and nothing is called", "[parallel_reduce]") {
  thread_pool pool(2);
  int calls = 0;
  auto const count = [&](auto const&...) { return ++calls; };
  for (grain const& parts : grains) {
    CHECK(parallel_reduce(pool, 0, 0, 7, count, count, parts) == 7);
    CHECK(parallel_reduce(pool, 3, 2, 7, count, count, parts) == 7);
    CHECK(parallel_reduce(pool, std::vector<int>(), 7, count, count, parts) == 7);
    CHECK(parallel_reduce(
              pool, std::vector<int>(), std::make_unique<int>(7), [](auto a, auto) { return a; },
              [](int) { return std::make_unique<int>(0); }, parts) != nullptr);
  }
  CHECK(calls == 0);
}

TEST_CASE("parallel_reduce: the result has the type of the initial value", "[parallel_reduce]") {
  thread_pool pool(2);
  // 1000 times 200 does not fit into an unsigned char.
  std::vector<unsigned char> const small(1000, 200);
  CHECK(parallel_reduce(pool, small, 0L, std::plus(), grain(3)) == 200'000);
  CHECK(parallel_reduce(pool, small, 0.5, std::plus(), grain(3)) == 200'000.5);
  static_assert(std::is_same_v<decltype(parallel_reduce(pool, small, 0L, std::plus())), long>);
  // Modulo 256, where the sum of two has another type.
  CHECK(parallel_reduce(pool, small, static_cast<unsigned char>(1), std::plus(), grain(3)) == 200'001 % 256);
  CHECK(parallel_reduce(pool, INT_MAX - 3, INT_MAX, 0L, std::plus(), grain(1)) == 3L * INT_MAX - 6);
}

TEST_CASE("parallel_reduce: ranges of all kinds, members as transforms", "[parallel_reduce]") {
  struct item {
    int weight = 2;
    int doubled() const { return 2 * weight; }
  };
  thread_pool pool(2);
  std::deque<item> const items(100);
  item const array[10];
  CHECK(parallel_reduce(pool, items, 0, std::plus(), &item::weight) == 200);
  CHECK(parallel_reduce(pool, items, 0, std::plus(), &item::doubled, grain(9)) == 400);
  CHECK(parallel_reduce(pool, array, 1, std::plus(), &item::doubled, grain(1)) == 41);
  CHECK(parallel_reduce(pool, std::begin(array), std::end(array), 1, std::plus(), &item::weight) == 21);
  CHECK(parallel_reduce(pool, std::views::iota(1, 11), 1, std::multiplies(), grain(2)) == 3'628'800);
  auto const greatest = [](int a, int b) { return std::max(a, b); };
  CHECK(parallel_reduce(pool, 0, 1000, -1, greatest, [](int i) { return i * 7 % 1000; }, grain(10)) == 999);
}

TEST_CASE("parallel_reduce: values that can only be moved", "[parallel_reduce]") {
  thread_pool pool(4);
  auto const add = [](moved_only a, moved_only b) {
    *a.value += *b.value;
    return a;
  };
  for (grain const& parts : grains) {
    auto const sum = parallel_reduce(pool, 0, 10'000, moved_only(5), add, [](int i) { return moved_only(i); }, parts);
    REQUIRE(sum.value != nullptr);
    CHECK(*sum.value == 5 + 9'999L * 5'000);
  }
}

TEST_CASE("parallel_reduce: no value is left behind, with an error or without", "[parallel_reduce]") {
  thread_pool pool(4);
  auto const add = [](counted const& a, counted const& b) { return counted(a.value() + b.value()); };
  auto const make = [](int i) {
    yield_some();
    return counted(i);
  };
  for (grain const& parts : {grain::automatic(), grain(1), grain(7)}) {
    CHECK(parallel_reduce(pool, 0, 100, counted(1), add, make, parts).value() == 4'951);
    CHECK(counted::alive() == 0);
    auto const fail = [&](int i) {
      if (i == 50) throw failure{i};
      return make(i);
    };
    CHECK_THROWS_AS(parallel_reduce(pool, 0, 100, counted(1), add, fail, parts), failure);
    CHECK(counted::alive() == 0);
    auto const fail_to_add = [](counted const& a, counted const& b) {
      yield_some();
      // Where one thread has done everything it is one by one, else rather at the end.
      if (a.value() + b.value() >= 4'000) throw failure{1};
      return counted(a.value() + b.value());
    };
    CHECK_FALSE(numbers_thrown<failure>([&] {
                  static_cast<void>(
                      parallel_reduce(pool, 0, 100, counted(1), fail_to_add, [](int i) { return counted(i); }, parts));
                }).empty());
    CHECK(counted::alive() == 0);
  }
}

TEST_CASE("parallel_reduce: errors come as from parallel_for", "[parallel_reduce]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (grain const& parts : grains) {
      for (int const failing : {0, 1, 500, 999}) {
        auto const thrown = numbers_thrown<failure>([&] {
          static_cast<void>(parallel_reduce(
              pool, 0, 1000, 0, std::plus(),
              [failing](int i) {
                if (i == failing) throw failure{i};
                return i;
              },
              parts));
        });
        wrong += thrown != std::vector{failing};
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_reduce: parts are not smaller than the grain", "[parallel_reduce]") {
  thread_pool pool(4);
  CHECK(happens([&] {
    std::atomic<int> parts{0};
    std::atomic<std::size_t> smallest{SIZE_MAX};
    auto const put_together = [&](extent const& a, auto const& b) {
      if constexpr (std::is_same_v<decltype(b), int const&>) {
        return extent(a.size + 1, a.joined);
      } else {
        // Another thread had this part.
        ++parts;
        if (!b.joined) smallest = std::min(smallest.load(), b.size);
        return extent(a.size + b.size, true);
      }
    };
    auto const slowly = [](int i) {
      yield_some();
      return i;
    };
    auto const all = parallel_reduce(pool, 0, 100, extent(0), put_together, slowly, grain(10));
    REQUIRE(all.size == 101);
    REQUIRE((parts == 0 || smallest >= 10));
    return parts > 0;
  }));
}

TEST_CASE("parallel_reduce: allocates nothing", "[parallel_reduce]") {
  thread_pool pool(4);
  for (grain const& parts : grains) {
    long sum = 0;
    bool allocated = false;
    {
      support::failing_new const shortage(1);
      sum = parallel_reduce(pool, 0, 20'000, 0L, std::plus(), parts);
      allocated = shortage.happened();
    }
    CHECK_FALSE(allocated);
    CHECK(sum == 19'999L * 10'000);
  }
}

TEST_CASE("parallel_reduce: from more threads at once than have a place, and within itself", "[parallel_reduce]") {
  thread_pool pool(2);
  std::atomic<int> wrong{0};
  hammer crowd;
  crowd.add(12, [&] {
    for (int i = 0; i < rounds(30); ++i) {
      for (grain const& parts : {grain::automatic(), grain(1)}) {
        auto const row = [&](int y) {
          return parallel_reduce(pool, 0, 20, 0L, std::plus(), [y](int x) { return x * y; }, parts);
        };
        wrong += parallel_reduce(pool, 0, 20, 0L, std::plus(), row, parts) != 190 * 190;
      }
    }
  });
  crowd.run();
  CHECK(wrong == 0);
}
