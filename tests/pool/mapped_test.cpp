// SPDX-License-Identifier: BSL-1.0
#include <concur/pool/mapped.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include "../future/future_support.hpp"
#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <forward_list>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::event;
using concur::semaphore;
using concur::thread_pool;
using support::counted_unhandled_errors;
using support::numbered_error;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;

int twice(int n) { return 2 * n; }

// All that is left.
template <class Mapped>
auto all_of(Mapped&& results) {
  std::vector<typename std::remove_cvref_t<Mapped>::value_type> all;
  for (auto& each : results) all.push_back(std::move(each));
  return all;
}

using mapped_ints = decltype(std::declval<thread_pool&>().map(twice, std::declval<std::vector<int>&>()));
static_assert(std::ranges::input_range<mapped_ints>);
static_assert(std::ranges::viewable_range<mapped_ints>);
static_assert(std::is_nothrow_move_constructible_v<mapped_ints> && !std::is_copy_constructible_v<mapped_ints>);
static_assert(std::is_same_v<std::ranges::range_reference_t<mapped_ints>, int&>);

// 0, 1, 2 …, and how many were taken.
struct counted_numbers {
  auto upto(int end) {
    return std::views::iota(0, end) | std::views::transform([this](int n) {
             ++taken;
             return n;
           });
  }
  std::size_t taken = 0;
};

test_task<std::vector<int>> in_order(thread_pool& pool, std::vector<int>& numbers) {
  std::vector<int> seen;
  auto m = pool.map(twice, numbers);
  while (auto* each = co_await m.next()) seen.push_back(*each);
  co_return seen;
}

template <class Mapped>
test_task<> collect(Mapped& m, std::vector<int>& seen) {
  while (auto* each = co_await m.next()) seen.push_back(*each);
}

template <class Mapped>
test_task<int> number_of_error(Mapped& m) {
  int number = -1;
  try {
    co_await m.next();
  } catch (numbered_error const& e) {
    number = e.number;
  }
  co_return number;
}

}  // namespace

TEST_CASE("map: the results come in the order of the elements, whichever job ends first", "[pool]") {
  thread_pool pool(2);
  event first_may_end;
  std::vector<int> const numbers{0, 1, 2, 3, 4, 5};
  auto const wait_or_set = [&](int n) {
    if (n == 0) first_may_end.wait();
    if (n == 4) first_may_end.set();
    return 10 * n;
  };
  CHECK(all_of(pool.map(wait_or_set, numbers)) == std::vector<int>{0, 10, 20, 30, 40, 50});
}

TEST_CASE("map: a result for each of many elements, many times", "[pool]") {
  thread_pool pool(3);
  for (std::size_t const look_ahead : {1u, 2u, 7u, 1000u, 0u}) {
    int next = 0;
    for (int const each : pool.map(twice, std::views::iota(0, rounds(5'000)), look_ahead)) {
      if (each != 2 * next) break;
      ++next;
    }
    CHECK(next == rounds(5'000));
  }
}

TEST_CASE("map: nothing is taken before a result is asked for, and then as far as it may look ahead", "[pool]") {
  thread_pool pool(2);
  SECTION("as far as it is told") {
    counted_numbers numbers;
    auto m = pool.map(twice, numbers.upto(100), 3);
    pool.wait_idle();
    CHECK(numbers.taken == 0);
    auto it = m.begin();
    for (std::size_t i = 1; i <= 100; ++i, ++it) {
      pool.wait_idle();
      REQUIRE(numbers.taken == std::min<std::size_t>(i + 3, 100));
    }
    CHECK(it == m.end());
    CHECK(numbers.taken == 100);
  }
  SECTION("by default four per worker") {
    counted_numbers numbers;
    auto m = pool.map(twice, numbers.upto(100));
    static_cast<void>(m.wait_next());
    CHECK(numbers.taken == 1 + 4 * 2);
  }
  SECTION("not at all of an empty range") {
    counted_numbers numbers;
    auto m = pool.map(twice, numbers.upto(0));
    CHECK(m.begin() == m.end());
    CHECK(m.wait_next() == nullptr);
    CHECK(numbers.taken == 0);
  }
}

TEST_CASE("map: so many jobs run at once as may be looked ahead, and one", "[pool]") {
  thread_pool pool(4);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  auto const count = [&](int) {
    int const now = ++inside;
    for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
    }
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    --inside;
    return 0;
  };
  for ([[maybe_unused]] auto const& each : pool.map(count, std::views::iota(0, rounds(2'000)), 1)) {
  }
  CHECK(most.load() <= 2);
  CHECK(inside.load() == 0);
}

TEST_CASE("map: elements are not copied where that can be helped", "[pool]") {
  thread_pool pool(2);
  SECTION("those of an lvalue are given as they are") {
    std::vector<std::string> words{"a", "b", "c"};
    CHECK(all_of(pool.map([](std::string& word) { return &word; }, words)) ==
          std::vector{&words[0], &words[1], &words[2]});
    auto const& constant = words;
    CHECK(all_of(pool.map([](std::string const& word) { return &word; }, constant)).back() == &words[2]);
  }
  SECTION("those of a range that is moved in are given away") {
    std::vector<std::unique_ptr<int>> numbers;
    for (int i = 0; i < 10; ++i) numbers.push_back(std::make_unique<int>(i));
    auto results = all_of(pool.map([](std::unique_ptr<int> n) { return n; }, std::move(numbers)));
    REQUIRE(results.size() == 10);
    CHECK(*results[9] == 9);
  }
  SECTION("a view refers to its elements, lvalue or not") {
    std::map<int, std::string> names{{1, "one"}, {2, "two"}};
    auto const addresses = all_of(pool.map([](std::string& name) { return &name; }, names | std::views::values));
    CHECK(addresses == std::vector{&names[1], &names[2]});
  }
  SECTION("and so does any range that leaves them to somebody else") {
    struct borrowed {
      std::string* begin() const { return first; }
      std::string* end() const { return first + count; }
      std::string* first;
      std::size_t count;
    };
    std::vector<std::string> words{"one", "two"};
    auto const taken = [](std::string word) { return word; };
    CHECK(all_of(pool.map(taken, borrowed{words.data(), 2})) == std::vector<std::string>{"one", "two"});
    CHECK(words == std::vector<std::string>{"one", "two"});
  }
  SECTION("those that a range makes as it goes are the job's own") {
    auto const made = std::views::iota(0, 50) | std::views::transform([](int n) { return std::make_unique<int>(n); });
    auto const results = all_of(pool.map([](std::unique_ptr<int> n) { return n; }, made));
    CHECK(*results.at(49) == 49);
    std::vector<bool> const bits{true, false, true};
    CHECK(all_of(pool.map([](bool bit) { return !bit; }, bits)) == std::vector<bool>{false, true, false});
  }
}

TEST_CASE("map: of a range that can be read once, which need not be all there", "[pool]") {
  thread_pool pool(2);
  std::istringstream text("10 20 30 40 50 end 60");
  CHECK(all_of(pool.map(twice, std::views::istream<int>(text), 2)) == std::vector<int>{20, 40, 60, 80, 100});

  std::istringstream words("one two three");
  auto const length = [](std::string const& word) { return word.size(); };
  CHECK(all_of(pool.map(length, std::views::istream<std::string>(words))) == std::vector<std::size_t>{3, 3, 5});

  std::forward_list<int> const list{1, 2, 3};
  CHECK(all_of(pool.map(twice, list)) == std::vector<int>{2, 4, 6});
  int const array[] = {4, 5};
  CHECK(all_of(pool.map(twice, array)) == std::vector<int>{8, 10});
  CHECK(all_of(pool.map(twice, std::views::iota(0) | std::views::take(3))) == std::vector<int>{0, 2, 4});
}

TEST_CASE("map: of the results of another, and through views", "[pool]") {
  thread_pool pool(2);
  std::vector<int> const numbers{1, 2, 3};
  auto const boxed = [](int n) { return std::make_unique<int>(n); };
  auto const unboxed = [](std::unique_ptr<int> n) { return *n + 1; };
  CHECK(all_of(pool.map(unboxed, pool.map(boxed, numbers))) == std::vector<int>{2, 3, 4});

  counted_numbers endless;
  std::vector<int> seen;
  for (int const each : pool.map(twice, endless.upto(1'000'000), 2) | std::views::take(3)) seen.push_back(each);
  CHECK(seen == std::vector<int>{0, 2, 4});
  CHECK(endless.taken <= 6);
}

TEST_CASE("map: functions of all kinds", "[pool]") {
  thread_pool pool(2);
  struct word {
    std::size_t size() const { return text.size(); }
    std::string text;
  };
  std::vector<word> const words{{"a"}, {"bcd"}};
  CHECK(all_of(pool.map(&word::size, words)) == std::vector<std::size_t>{1, 3});

  struct adder {
    int operator()(int n) const { return n + *amount; }
    std::unique_ptr<int> amount;
  };
  CHECK(all_of(pool.map(adder{std::make_unique<int>(5)}, std::vector<int>{1, 2})) == std::vector<int>{6, 7});

  auto const with_token = [](concur::os::stop_token const& stop, int n) { return stop.stop_possible() ? n : -n; };
  CHECK(all_of(pool.map(with_token, std::vector<int>{1, 2})) == std::vector<int>{1, 2});
}

TEST_CASE("map: results may be moved from, and are void's too", "[pool]") {
  thread_pool pool(2);
  auto m = pool.map([](int n) { return std::make_unique<int>(n); }, std::views::iota(0, 4));
  std::vector<std::unique_ptr<int>> kept;
  while (auto* each = m.wait_next()) kept.push_back(std::move(*each));
  REQUIRE(kept.size() == 4);
  CHECK(*kept[3] == 3);

  std::vector<int> numbers(20, 1);
  std::size_t done = 0;
  for ([[maybe_unused]] auto&& each : pool.map([](int& n) { n = 2; }, numbers)) CHECK(numbers[done++] == 2);
  CHECK(done == 20);
}

TEST_CASE("map: it may be moved on the way", "[pool]") {
  thread_pool pool(2);
  auto m = pool.map(twice, std::vector<int>{1, 2, 3, 4}, 1);
  CHECK(*m.wait_next() == 2);
  auto n = std::move(m);
  CHECK(*n.wait_next() == 4);
  m = std::move(n);
  CHECK(all_of(m) == std::vector<int>{6, 8});
  CHECK(m.wait_next() == nullptr);
}

TEST_CASE("map: an error comes when its turn has come, and one may go on", "[pool]") {
  counted_unhandled_errors unhandled;
  {
    thread_pool pool(2);
    auto const odd_fail = [](int n) {
      if (n % 2 == 1) throw numbered_error{n};
      return n;
    };
    std::vector<int> const numbers{0, 1, 2, 3, 4, 5};
    std::vector<int> values, errors;
    SECTION("asked for one by one") {
      auto m = pool.map(odd_fail, numbers);
      for (;;) {
        try {
          int const* const each = m.wait_next();
          if (each == nullptr) break;
          values.push_back(*each);
        } catch (numbered_error const& e) {
          errors.push_back(e.number);
        }
      }
    }
    SECTION("by an iterator, where the value would be read") {
      auto m = pool.map(odd_fail, numbers);
      for (auto it = m.begin(); it != m.end(); ++it) {
        try {
          values.push_back(*it);
        } catch (numbered_error const& e) {
          errors.push_back(e.number);
        }
      }
    }
    CHECK(values == std::vector<int>{0, 2, 4});
    CHECK(errors == std::vector<int>{1, 3, 5});
  }
  CHECK(unhandled.count() == 0);
}

TEST_CASE("map: what the range throws comes after the results before it, and is the end", "[pool]") {
  thread_pool pool(2);
  int taken = 0;
  auto const numbers = std::views::iota(0, 10) | std::views::transform([&](int n) {
                         ++taken;
                         if (n == 3) throw numbered_error{n};
                         return n;
                       });
  auto m = pool.map(twice, numbers);
  for (int i = 0; i < 3; ++i) CHECK(*m.wait_next() == 2 * i);
  CHECK_THROWS_AS(m.wait_next(), numbered_error);
  CHECK(m.wait_next() == nullptr);
  CHECK(m.begin() == m.end());
  CHECK(taken == 4);
}

namespace {

// Throws when the countdown comes to its end.
struct hard_to_move {
  explicit hard_to_move(int& countdown) : left(&countdown) {}
  hard_to_move(hard_to_move&& other) : left(other.left) {
    if (--*left == 0) throw numbered_error{9};
  }
  int* left;
};

}  // namespace

TEST_CASE("map: a result that cannot be moved out is an error of its own", "[pool]") {
  thread_pool pool(1);
  int moves = 1'000;
  REQUIRE(pool.map([&moves](int) { return hard_to_move(moves); }, std::views::iota(0, 1)).wait_next() != nullptr);
  moves = 1'000 - moves;
  std::vector<int> countdowns{moves, 1'000};  // the last move of the first one
  auto m = pool.map([](int& n) { return hard_to_move(n); }, countdowns);
  auto it = m.begin();
  REQUIRE(it != m.end());
  CHECK_THROWS_AS(*it, numbered_error);
  CHECK(++it != m.end());
  CHECK((*it).left == &countdowns[1]);
  CHECK(++it == m.end());
}

TEST_CASE("map: when memory runs out, it says so after the results that it could get", "[pool]") {
  thread_pool pool(2);
  int failures = 0;
  for (int k = 1;; ++k) {
    support::failing_new const shortage(k);
    int next = 0;
    bool right = true;
    bool failed = false;
    try {
      auto m = pool.map(twice, std::views::iota(0, 200), 2);
      for (int const each : m) right = right && each == 2 * next++;
    } catch (std::bad_alloc const&) {
      failed = true;
    }
    REQUIRE(right);
    REQUIRE(failed == shortage.happened());
    if (!failed) {
      CHECK(next == 200);
      break;
    }
    ++failures;
  }
  if (support::failing_new::available()) CHECK(failures >= 2);  // the state and its list
}

TEST_CASE("map: abandoned, it cancels what has not begun, and asks what runs to stop and waits for it", "[pool]") {
  counted_unhandled_errors unhandled;
  {
    thread_pool pool(2);
    std::atomic<int> begun{0}, stopped{0};
    {
      semaphore running(0);
      auto const until_stopped = [&](concur::os::stop_token const& stop, int n) {
        ++begun;
        if (n == 0) return n;
        running.release();
        event never;
        if (!never.wait(stop)) ++stopped;
        return n;
      };
      auto m = pool.map(until_stopped, std::views::iota(0), 8);
      CHECK(*m.wait_next() == 0);
      running.acquire();
      running.acquire();
    }
    CHECK(begun.load() == 3);
    CHECK(stopped.load() == 2);
    pool.wait_idle();
    CHECK(begun.load() == 3);
  }
  CHECK(unhandled.count() == 0);
}

TEST_CASE("map: abandoned, a worker that was asked to stop begins no other job of it", "[pool]") {
  thread_pool pool(1);
  std::atomic<int> begun{0};
  event first_runs, first_may_end;
  // Called by the cancel of the job that runs: lets it end, and gives its worker time for others.
  auto const let_go = [&] {
    first_may_end.set();
    pool.wait_idle();
  };
  std::optional<std::stop_callback<decltype(let_go)>> at_cancel;
  {
    auto const hold_first = [&](std::stop_token const& stop, int n) {
      ++begun;
      if (n != 1) return;
      at_cancel.emplace(stop, let_go);
      first_runs.set();
      first_may_end.wait();
    };
    auto m = pool.map(hold_first, std::views::iota(0), 8);
    CHECK(m.wait_next() != nullptr);
    first_runs.wait();
  }
  CHECK(begun.load() == 2);
}

TEST_CASE("map: errors that nobody asked for go to the hook, cancelled jobs do not", "[pool]") {
  counted_unhandled_errors unhandled;
  {
    thread_pool pool(1);
    auto const fail_after_first = [](int n) -> int {
      if (n != 0) throw numbered_error{n};
      return n;
    };
    auto m = pool.map(fail_after_first, std::views::iota(0), 2);
    CHECK(*m.wait_next() == 0);
    pool.wait_idle();
    CHECK(unhandled.count() == 0);
  }
  CHECK(unhandled.count() == 2);
}

TEST_CASE("map: function, range and elements live until the last job has ended, and no longer", "[pool]") {
  auto const owner = std::make_shared<int>(0);
  {
    thread_pool pool(2);
    std::vector<std::shared_ptr<int>> range(100, owner);
    {
      auto m = pool.map([owner](std::shared_ptr<int> const& each) { return each == owner; }, std::move(range), 5);
      for (int i = 0; i < 50; ++i) CHECK(*m.wait_next());
    }
    pool.wait_idle();
    CHECK(owner.use_count() == 1);
    auto copies = std::views::iota(0, 100) | std::views::transform([&](int) { return owner; });
    {
      auto m = pool.map([](std::shared_ptr<int> const& each) { return *each; }, copies, 5);
      for (int i = 0; i < 50; ++i) CHECK(m.wait_next() != nullptr);
    }
    pool.wait_idle();
    CHECK(owner.use_count() == 1);
  }
}

TEST_CASE("map: abandoned at any time, nothing of it is used afterwards", "[pool]") {
  thread_pool pool(3);
  int wrong = 0;
  for (int i = 0; i < rounds(3'000); ++i) {
    auto numbers = std::make_unique<std::vector<int>>(20, 7);
    auto alive = std::make_unique<std::atomic<int>>(0);
    {
      auto m = pool.map(
          [counter = alive.get()](int& n) {
            counter->fetch_add(1);
            n = 8;
            counter->fetch_sub(1);
          },
          *numbers, std::size_t(1 + i % 7));
      for (int k = 0; k < i % 5; ++k) static_cast<void>(m.wait_next());
    }
    if (alive->load() != 0) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("map: inside a job of the same pool, on its only worker", "[pool]") {
  thread_pool pool(1);
  auto const sum_of_squares = [&pool](int upto) {
    int sum = 0;
    for (int const each : pool.map([](int n) { return n * n; }, std::views::iota(0, upto), 3)) sum += each;
    return sum;
  };
  CHECK(pool.submit(sum_of_squares, 10).get() == 285);
  CHECK(all_of(pool.map(sum_of_squares, std::vector<int>{1, 2, 3, 4})) == std::vector<int>{0, 1, 5, 14});
  pool.submit([&] {
        auto m = pool.map(twice, std::views::iota(0));
        CHECK(*m.wait_next() == 0);
      })
      .get();  // abandoned there
  pool.wait_idle();
}

TEST_CASE("map: after a shutdown the results of the jobs that were given, then closed", "[pool]") {
  std::vector<int> const numbers{1, 2, 3, 4, 5, 6};
  SECTION("that lets queued jobs run") {
    thread_pool pool(1);
    auto m = pool.map(twice, numbers, 2);
    CHECK(*m.wait_next() == 2);
    pool.shutdown();
    CHECK(*m.wait_next() == 4);
    CHECK(*m.wait_next() == 6);
    CHECK_THROWS_AS(m.wait_next(), concur::closed);
    CHECK(m.wait_next() == nullptr);
  }
  SECTION("that cancels them") {
    thread_pool pool(1);
    event begun, go_on;
    auto const hold_second = [&](int n) {
      if (n == 2) {
        begun.set();
        go_on.wait();
      }
      return n;
    };
    auto m = pool.map(hold_second, numbers, 2);
    CHECK(*m.wait_next() == 1);
    begun.wait();
    pool.shutdown(false, true);
    go_on.set();
    CHECK(*m.wait_next() == 2);
    CHECK_THROWS_AS(m.wait_next(), concur::cancelled);
    CHECK_THROWS_AS(m.wait_next(), concur::closed);
    CHECK(m.wait_next() == nullptr);
  }
  SECTION("before it began") {
    thread_pool pool(1);
    auto m = pool.map(twice, numbers);
    pool.shutdown();
    auto it = m.begin();
    REQUIRE(it != m.end());
    CHECK_THROWS_AS(*it, concur::closed);
    CHECK(++it == m.end());
  }
  SECTION("it may outlive its pool") {
    std::optional<thread_pool> pool(std::in_place, 2u);
    auto m = pool->map(twice, numbers, 10);
    CHECK(*m.wait_next() == 2);
    pool.reset();
    CHECK(all_of(m) == std::vector<int>{4, 6, 8, 10, 12});
  }
}

TEST_CASE("map: a limit or a stop ends the wait for a result, and skips none", "[pool]") {
  thread_pool pool(1);
  event gate;
  auto const hold_second = [&](int n) {
    if (n == 1) gate.wait();
    return n;
  };
  auto m = pool.map(hold_second, std::views::iota(0, 3));
  auto const next_for = [&m](auto const& length) { return m.wait_next_for(length).has_value(); };
  auto const next_until = [&m](auto const& moment) { return m.wait_next_until(moment).has_value(); };
  int* const first = m.wait_next_for(std::chrono::hours(1)).value();
  REQUIRE(first != nullptr);
  support::check_limits_in_vain(next_for, next_until);
  CHECK(*first == 0);  // where it was, since there is no other yet
  concur::os::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  CHECK_FALSE(m.wait_next(source.get_token()).has_value());
  stopper.join();
  CHECK(*first == 0);
  gate.set();
  CHECK(**m.wait_next_until(std::chrono::system_clock::now() + std::chrono::hours(1)) == 1);
  CHECK(*m.wait_next() == 2);
  // After the last there is a null pointer, at once.
  CHECK(m.wait_next(source.get_token()).value() == nullptr);
  support::check_limits_at_once(next_for, next_until, [] {});
  CHECK(m.wait_next_for(std::chrono::seconds(0)).value() == nullptr);
}

TEST_CASE("map: a limit that has passed looks once, and gives the jobs", "[pool]") {
  thread_pool pool(1);
  counted_numbers numbers;
  event gate;
  auto const held = [&](int n) {
    gate.wait();
    return n;
  };
  auto m = pool.map(held, numbers.upto(10), 2);
  CHECK_FALSE(m.wait_next_for(std::chrono::seconds(0)).has_value());
  CHECK(numbers.taken == 3);
  gate.set();
  pool.wait_idle();
  CHECK(**m.wait_next_for(std::chrono::seconds(0)) == 0);
  CHECK(all_of(m).size() == 9);
}

TEST_CASE("map: within a limit a job of the same pool runs in place, and an error is thrown", "[pool]") {
  thread_pool pool(1);
  int const sum = pool.submit([&] {
                        int total = 0;
                        auto m = pool.map(twice, std::views::iota(0, 10));
                        while (auto* each = *m.wait_next_for(std::chrono::hours(1))) total += *each;
                        return total;
                      })
                      .get();
  CHECK(sum == 90);
  auto const second_fails = [](int n) {
    if (n == 1) throw numbered_error{n};
    return n;
  };
  auto m = pool.map(second_fails, std::views::iota(0, 3));
  CHECK(**m.wait_next_for(std::chrono::hours(1)) == 0);
  CHECK_THROWS_AS((void)m.wait_next_for(std::chrono::hours(1)), numbered_error);
  CHECK(**m.wait_next_for(std::chrono::hours(1)) == 2);
}

TEST_CASE("map: a task goes through it", "[pool]") {
  queue_executor here;
  thread_pool pool(2);
  std::vector<int> numbers;
  for (int i = 0; i < 100; ++i) numbers.push_back(i);
  auto const root = spawn(here, in_order(pool, numbers));
  here.run_until([&] { return root->done(); });
  auto const results = root->result();
  REQUIRE(results.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(results[std::size_t(i)] == 2 * i);
}

TEST_CASE("map: a task on the only worker goes through it", "[pool]") {
  thread_pool pool(1);
  std::vector<int> numbers{1, 2, 3, 4, 5, 6, 7};
  auto const root = spawn(pool, in_order(pool, numbers));
  root->wait_until_done();
  CHECK(root->result() == std::vector<int>{2, 4, 6, 8, 10, 12, 14});
}

TEST_CASE("map: a cancel ends a task's wait, and no result is skipped", "[pool]") {
  queue_executor here;
  thread_pool pool(2);
  event go_on;
  auto const hold_second = [&](int n) {
    if (n == 1) go_on.wait();
    return n;
  };
  auto m = pool.map(hold_second, std::views::iota(0, 4));
  std::vector<int> seen;
  auto const first = spawn(here, collect(m, seen));
  here.run_until([&] { return !seen.empty(); });
  here.run_ready();
  first->cancel();
  here.run_until([&] { return first->done(); });
  CHECK(first->was_cancelled());
  CHECK(seen == std::vector<int>{0});
  go_on.set();
  auto const second = spawn(here, collect(m, seen));
  here.run_until([&] { return second->done(); });
  CHECK(seen == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("map: a cancelled task takes nothing", "[pool]") {
  queue_executor here;
  thread_pool pool(1);
  counted_numbers numbers;
  auto m = pool.map(twice, numbers.upto(10));
  std::vector<int> seen;
  auto const root = spawn(here, collect(m, seen));
  root->cancel();
  here.run_until([&] { return root->done(); });
  CHECK(root->was_cancelled());
  CHECK(numbers.taken == 0);
}

TEST_CASE("map: a task gets the error of a job, and then the next result", "[pool]") {
  queue_executor here;
  thread_pool pool(2);
  auto const first_fails = [](int n) {
    if (n == 0) throw numbered_error{42};
    return n;
  };
  auto m = pool.map(first_fails, std::views::iota(0, 3));
  auto const root = spawn(here, number_of_error(m));
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == 42);
  CHECK(all_of(m) == std::vector<int>{1, 2});
}
