// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/parallel_sort.hpp>

#include "../support/failing_new.hpp"
#include "parallel_support.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <ranges>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using concur::parallel_sort;
using concur::thread_pool;
using support::for_every_caller;
using support::hammer;
using support::happens;
using support::rounds;

struct failure {
  int number;
};

std::vector<int> random_numbers(std::size_t size, int different, unsigned seed = 1) {
  std::minstd_rand random(seed);
  std::vector<int> numbers(size);
  for (int& each : numbers) each = static_cast<int>(random() % static_cast<unsigned>(different));
  return numbers;
}

// Inputs that quicksorts are known to do badly with.
std::vector<std::vector<int>> patterns(std::size_t size) {
  auto const made = [size](auto value) {
    std::vector<int> numbers(size);
    for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<int>(value(i));
    return numbers;
  };
  return {
      random_numbers(size, 1 << 30),
      random_numbers(size, 2),
      random_numbers(size, 16),
      made([](std::size_t) { return 5; }),
      made([](std::size_t i) { return i; }),
      made([size](std::size_t i) { return size - i; }),
      made([size](std::size_t i) { return i < size / 2 ? i : size - i; }),
      made([size](std::size_t i) { return i < size / 2 ? size - i : i; }),
      made([](std::size_t i) { return i % 100; }),
      made([](std::size_t i) { return i * 7919 % 10'007; }),
      made([size](std::size_t i) { return i + 1 == size ? 0 : i + 1; }),
      made([](std::size_t i) { return i ^ 1; }),
  };
}

double times_log(std::size_t size) { return double(size) * double(std::bit_width(size)); }

// M. D. McIlroy, "A killer adversary for quicksort" (1999): values are decided while they are compared, so that every
// element that a division is made around turns out to be among the smallest.
class adversary {
 public:
  explicit adversary(std::size_t size) : values_(size, undecided) {
    values_[1] = decided_++;  // so that they are not in order already
  }

  bool operator()(std::size_t a, std::size_t b) {
    ++comparisons;
    if (values_[a] == undecided && values_[b] == undecided) values_[a == candidate_ ? a : b] = decided_++;
    if (values_[a] == undecided) candidate_ = a;
    if (values_[b] == undecided) candidate_ = b;
    return values_[a] < values_[b];
  }

  std::size_t comparisons = 0;

 private:
  static constexpr std::size_t undecided = SIZE_MAX;
  std::size_t decided_ = 0;
  std::size_t candidate_ = 0;
  std::vector<std::size_t> values_;
};

struct person {
  int age = 0;
  std::string name;
  int get_age() const { return age; }
};

class counted {
 public:
  explicit counted(int number) : value(number) { ++alive(); }
  counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) { ++alive(); }
  counted& operator=(counted&& other) noexcept {
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~counted() { --alive(); }
  static std::atomic<int>& alive() {
    static std::atomic<int> objects{0};
    return objects;
  }

  int value;
};

}  // namespace

TEST_CASE("parallel_sort: all sizes, patterns and callers", "[parallel_sort]") {
  std::atomic<int> wrong{0};
  for_every_caller([&](thread_pool& pool) {
    for (std::size_t const size : {0u, 1u, 2u, 3u, 100u, 2'048u, 2'049u, unsigned(rounds(40'000))}) {
      for (auto& numbers : patterns(size)) {
        auto expected = numbers;
        std::ranges::sort(expected);
        parallel_sort(pool, numbers);
        wrong += numbers != expected;
      }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel_sort: a million", "[parallel_sort]") {
  thread_pool pool(4);
  auto numbers = random_numbers(static_cast<std::size_t>(rounds(1'000'000)), 1 << 30);
  auto expected = numbers;
  std::ranges::sort(expected, std::ranges::greater());
  parallel_sort(pool, numbers, std::ranges::greater());
  CHECK(numbers == expected);
}

TEST_CASE("parallel_sort: never many more than n log n comparisons", "[parallel_sort]") {
  thread_pool pool(4);
  for (auto& numbers : patterns(std::size_t(rounds(100'000)))) {
    std::atomic<std::size_t> comparisons{0};
    parallel_sort(pool, numbers, [&](int a, int b) {
      comparisons.fetch_add(1, std::memory_order_relaxed);
      return a < b;
    });
    CHECK(std::ranges::is_sorted(numbers));
    CHECK(double(comparisons) < 3.0 * times_log(numbers.size()));
  }
}

TEST_CASE("parallel_sort: not even against an adversary", "[parallel_sort]") {
  // On the only worker, because the adversary is no match for several threads.
  thread_pool pool(1);
  std::size_t const size = 50'000;
  std::vector<std::size_t> indices(size);
  for (std::size_t i = 0; i < size; ++i) indices[i] = i;
  adversary less(size);
  pool.submit([&] { parallel_sort(pool, indices, std::ref(less)); }).get();
  auto const comparisons = less.comparisons;
  CHECK(double(comparisons) > 2.0 * times_log(size));  // it did what it could
  CHECK(double(comparisons) < 6.0 * times_log(size));
  CHECK(std::ranges::is_sorted(indices, std::ref(less)));
}

TEST_CASE("parallel_sort: by a projection, in any order, in ranges of all kinds", "[parallel_sort]") {
  thread_pool pool(2);
  auto const ages = random_numbers(5'000, 100);
  std::deque<person> people;
  for (int const age : ages) people.push_back({age, std::to_string(age)});
  parallel_sort(pool, people, {}, &person::age);
  CHECK(std::ranges::is_sorted(people, {}, &person::age));
  parallel_sort(pool, people, std::ranges::greater(), &person::get_age);
  CHECK(std::ranges::is_sorted(people, std::ranges::greater(), &person::age));
  parallel_sort(pool, people, std::ranges::less(), [](person const& each) { return each.name; });
  CHECK(std::ranges::is_sorted(people, {}, &person::name));
  CHECK(std::ranges::all_of(people, [](person const& each) { return each.name == std::to_string(each.age); }));

  auto numbers = random_numbers(10'000, 1'000);
  parallel_sort(pool, numbers | std::views::drop(10) | std::views::take(5'000));
  CHECK(std::ranges::is_sorted(std::span(numbers).subspan(10, 5'000)));
  auto const unsorted = random_numbers(10'000, 1'000);
  CHECK(std::ranges::equal(std::span(numbers).first(10), std::span(unsorted).first(10)));
  CHECK(std::ranges::equal(std::span(numbers).subspan(5'010), std::span(unsorted).subspan(5'010)));
  parallel_sort(pool, numbers | std::views::reverse);
  CHECK(std::ranges::is_sorted(numbers, std::ranges::greater()));
}

TEST_CASE("parallel_sort: elements that can only be moved", "[parallel_sort]") {
  thread_pool pool(4);
  auto expected = random_numbers(20'000, 10'000);
  std::vector<std::unique_ptr<int>> pointers;
  for (int const each : expected) pointers.push_back(std::make_unique<int>(each));
  std::ranges::sort(expected);
  parallel_sort(pool, pointers, {}, [](std::unique_ptr<int> const& each) { return *each; });
  CHECK(std::ranges::equal(pointers, expected, {}, [](auto const& each) { return *each; }));
}

TEST_CASE("parallel_sort: with equal keys every element is there once", "[parallel_sort]") {
  thread_pool pool(4);
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < 20'000; ++i) pairs.emplace_back(i * 31 % 5, i);
  parallel_sort(pool, pairs, {}, &std::pair<int, int>::first);
  CHECK(std::ranges::is_sorted(pairs, {}, &std::pair<int, int>::first));
  parallel_sort(pool, pairs, {}, &std::pair<int, int>::second);
  for (int i = 0; i < 20'000; ++i) REQUIRE(pairs[std::size_t(i)] == std::pair(i * 31 % 5, i));
}

TEST_CASE("parallel_sort: a comparison throws, and all elements can be destroyed", "[parallel_sort]") {
  for (std::size_t const workers : {1u, 4u}) {
    thread_pool pool(workers);
    for (int const limit : {1, 5, 1'000, 20'000, 60'000, 150'000}) {
      {
        std::vector<counted> numbers;
        for (int const each : random_numbers(20'000, 10'000)) numbers.emplace_back(each);
        std::atomic<int> comparisons{0};
        auto const less = [&](counted const& a, counted const& b) {
          if (++comparisons == limit) throw failure{limit};
          return a.value < b.value;
        };
        CHECK_THROWS_AS(parallel_sort(pool, numbers, less), failure);
        // One may have been in the hands of whoever threw.
        CHECK(std::ranges::count(numbers, -1, &counted::value) <= 1);
        parallel_sort(pool, numbers, {}, &counted::value);
        CHECK(std::ranges::is_sorted(numbers, {}, &counted::value));
      }
      CHECK(counted::alive() == 0);
    }
  }
}

TEST_CASE("parallel_sort: several threads at once, more than have a place in the pool", "[parallel_sort]") {
  thread_pool pool(2);
  std::atomic<int> wrong{0};
  hammer crowd;
  crowd.add(12, [&] {
    for (unsigned i = 0; i < static_cast<unsigned>(rounds(10)); ++i) {
      auto numbers = random_numbers(10'000, 1'000, i + 1);
      parallel_sort(pool, numbers);
      wrong += !std::ranges::is_sorted(numbers);
    }
  });
  crowd.run();
  CHECK(wrong == 0);
}

TEST_CASE("parallel_sort: a worker takes a part over", "[parallel_sort]") {
  thread_pool pool(2);
  auto const caller = std::this_thread::get_id();
  CHECK(happens([&] {
    std::atomic<bool> elsewhere{false};
    auto numbers = random_numbers(10'000, 10'000);
    parallel_sort(pool, numbers, [&](int a, int b) {
      if (std::this_thread::get_id() != caller) elsewhere = true;
      return a < b;
    });
    return elsewhere.load();
  }));
}

TEST_CASE("parallel_sort: allocates nothing", "[parallel_sort]") {
  thread_pool pool(4);
  auto numbers = random_numbers(20'000, 10'000);
  bool allocated = false;
  {
    support::failing_new const shortage(1);
    parallel_sort(pool, numbers);
    allocated = shortage.happened();
  }
  CHECK_FALSE(allocated);
  CHECK(std::ranges::is_sorted(numbers));
}

TEST_CASE("parallel_sort: after a shutdown the caller does everything", "[parallel_sort]") {
  thread_pool pool(2);
  pool.shutdown();
  auto numbers = random_numbers(20'000, 1'000);
  parallel_sort(pool, numbers);
  CHECK(std::ranges::is_sorted(numbers));
}
