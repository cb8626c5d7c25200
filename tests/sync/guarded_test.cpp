// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/guarded.hpp>
#include <concur/sync/shared_mutex.hpp>

#include "lock_contract.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::guarded;
using std::chrono::microseconds;
using support::queue_executor;
using support::ready_order;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

constinit guarded<int> in_static_storage(7);
using shared_number = guarded<int, std::shared_timed_mutex>;

static_assert(!std::is_copy_constructible_v<guarded<int>> && !std::is_move_constructible_v<guarded<int>>);
static_assert(!std::is_copy_constructible_v<guarded<int>::handle>);
static_assert(std::is_nothrow_move_constructible_v<guarded<int>::handle>);
static_assert(std::is_same_v<decltype(guarded(std::vector{1, 2})), guarded<std::vector<int>>>);
static_assert(!std::is_convertible_v<int, guarded<int>>);
static_assert(!std::is_convertible_v<guarded<int>::handle, bool>);
static_assert(std::is_same_v<decltype(*std::declval<shared_number const&>().lock_shared()), int const&>);

// Only what the mutex can do.
template <class Guarded>
concept has_shared_forms = requires(Guarded const& g) { g.lock_shared(); };
template <class Guarded>
concept has_lock = requires(Guarded& g) { g.lock(); };
template <class Guarded>
concept has_async_lock_shared = requires(Guarded const& g) { g.async_lock_shared(); };
template <class Guarded>
concept has_async_lock = requires(Guarded& g) { g.async_lock(); };
static_assert(!has_shared_forms<guarded<int>> && has_shared_forms<shared_number>);
static_assert(has_lock<shared_number> && !has_lock<shared_number const>);
static_assert(has_async_lock<guarded<int>> && !has_async_lock<shared_number>);
static_assert(!has_async_lock_shared<guarded<int>> && !has_async_lock_shared<shared_number>);
static_assert(has_async_lock_shared<guarded<int, concur::shared_mutex>>);

template <class Guarded>
bool is_free(Guarded& g) {
  bool free = false;
  std::thread([&] { free = bool(g.try_lock()); }).join();
  return free;
}

}  // namespace

TEST_CASE("guarded: the value is made in place, from whatever it is made of", "[guarded]") {
  struct pinned {
    pinned(int first, std::unique_ptr<int> second) : sum(first + *second) {}
    pinned(pinned const&) = delete;
    int sum;
  };
  guarded<pinned> in_place(1, std::make_unique<int>(2));
  CHECK(in_place.lock()->sum == 3);
  guarded by_value(std::vector{1, 2});
  CHECK(*by_value.lock() == std::vector{1, 2});
  guarded<std::vector<int>> of_a_list({1, 2, 3});
  CHECK(of_a_list.lock()->size() == 3);
  guarded<std::vector<int>> of_a_size(std::size_t{4}, 5);
  CHECK(*of_a_size.lock() == std::vector{5, 5, 5, 5});
  guarded<int> nothing;
  CHECK(*nothing.lock() == 0);
  struct holder {
    guarded<int> number;
    std::array<guarded<std::string>, 2> texts;
  };
  holder const made_of_nothing{};
  static_cast<void>(made_of_nothing);
}

TEST_CASE("guarded: a handle holds the lock as long as it lives", "[guarded]") {
  guarded<std::string> g("text");
  {
    auto handle = g.lock();
    CHECK(handle);
    CHECK_FALSE(is_free(g));
    handle->append(" and more");
    *handle += "!";
  }
  CHECK(is_free(g));
  CHECK(g.lock()->size() == 14);
  CHECK(is_free(g));
  {
    auto handle = g.lock();
    handle.unlock();
    CHECK_FALSE(handle);
    CHECK(is_free(g));
  }
  {
    auto handle = g.lock();
    auto other = std::move(handle);
    CHECK_FALSE(handle);
    CHECK(other);
    CHECK_FALSE(is_free(g));
    handle = std::move(other);
    CHECK(handle);
    handle = {};
    CHECK(is_free(g));
  }
  CHECK(is_free(g));
}

TEST_CASE("guarded: assigning to a handle lets go of what it held", "[guarded]") {
  guarded<int> first(1), second(2);
  auto handle = first.lock();
  handle = second.lock();
  CHECK(*handle == 2);
  CHECK(is_free(first));
  CHECK_FALSE(is_free(second));
}

TEST_CASE("guarded: with calls a function with the value locked, and returns by value", "[guarded]") {
  guarded<std::vector<int>> g({1, 2, 3});
  CHECK(g.with([&g](auto& list) {
    CHECK_FALSE(is_free(g));
    list.push_back(4);
    return list.size();
  }) == 4);
  g.with([](auto& list) { list.clear(); });
  CHECK(g.with(&std::vector<int>::size) == 0);
  CHECK_THROWS_AS(g.with([](auto& list) { return list.at(1); }), std::out_of_range);
  CHECK(is_free(g));
  static_assert(std::is_same_v<decltype(g.with([](auto& list) -> auto& { return list; })), std::vector<int>>);
  static_assert(std::is_void_v<decltype(g.with([](auto&) {}))>);
  auto owned = g.with([](auto&) { return std::make_unique<int>(5); });
  CHECK(*owned == 5);
}

TEST_CASE("guarded: the try forms give an empty handle when there is no lock", "[guarded]") {
  guarded<int> g(1);
  CHECK(g.try_lock());
  CHECK(g.try_lock_for(microseconds(1)));
  CHECK(g.try_lock_until(std::chrono::system_clock::now()));
  concur::os::stop_source source;
  source.request_stop();
  CHECK(g.lock(source.get_token()));
  if (auto handle = g.try_lock()) *handle = 2;
  {
    auto const held = g.lock();
    std::thread([&] {
      if (g.try_lock() || g.try_lock_for(microseconds(1))) *g.lock() = 3;
      if (g.try_lock_until(std::chrono::steady_clock::now() + microseconds(1))) *g.lock() = 4;
      if (g.lock(source.get_token())) *g.lock() = 5;
    }).join();
    CHECK(*held == 2);
  }
  CHECK(is_free(g));
}

TEST_CASE("guarded: time limits of every kind, free and held", "[guarded]") {
  guarded<int> g;
  auto const try_for = [&g](auto const& length) { return bool(g.try_lock_for(length)); };
  auto const try_until = [&g](auto const& moment) { return bool(g.try_lock_until(moment)); };
  support::check_limits_at_once(try_for, try_until, [] {});
  auto held = g.lock();
  std::thread([&] { support::check_limits_in_vain(try_for, try_until); }).join();
  held.unlock();
  support::check_limits_in_time(try_for, try_until, [&] { held = g.lock(); }, [&] { held.unlock(); });
  CHECK(is_free(g));
}

namespace {

// Several steps on two values, so that threads that overlap are seen.
struct pair_of_numbers {
  long first = 0;
  long second = 0;
};

test_task<> add_in_task(guarded<pair_of_numbers>& g, int times) {
  for (int i = 0; i < times; ++i) {
    auto numbers = co_await g.async_lock();
    ++numbers->first;
    ++numbers->second;
  }
}

}  // namespace

TEST_CASE("guarded: threads and tasks exclude each other, by every form", "[guarded]") {
  int const times = rounds(500'000);
  guarded<pair_of_numbers> g;
  {
    threads_executor pool(2);
    auto const first = spawn(pool, add_in_task(g, times));
    auto const second = spawn(pool, add_in_task(g, times));
    support::hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        auto numbers = g.lock();
        ++numbers->first;
        ++numbers->second;
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        g.with([](auto& numbers) {
          ++numbers.first;
          ++numbers.second;
        });
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times;) {
        auto numbers = i % 2 == 0 ? g.try_lock() : g.try_lock_for(microseconds(10));
        if (!numbers) continue;
        ++numbers->first;
        ++numbers->second;
        ++i;
      }
    });
    crowd.run();
    first->wait_until_done();
    second->wait_until_done();
  }
  CHECK(g.lock()->first == 5L * times);
  CHECK(g.lock()->second == 5L * times);
}

namespace {

test_task<> set_when_free(guarded<int>& g, int value) {
  int const mine = value;
  auto number = co_await g.async_lock();
  *number = mine;
}

test_task<> lock_and_be_cancelled(guarded<int>& g) {
  auto const make = [&g] { return g.async_lock(); };
  auto const number = co_await support::cancel_before_publish(make);
  *number = -1;
}

support::foreign_coroutine set_foreign(guarded<int>& g) {
  int const mine = 8;
  auto number = co_await g.async_lock();
  *number = mine;
  number.unlock();
  number = co_await g.async_lock();
  ++*number;
}

}  // namespace

TEST_CASE("guarded: a task waits for the lock, and takes nothing when it is cancelled", "[guarded]") {
  guarded<int> g(1);
  queue_executor here;
  auto held = g.lock();
  auto const cancelled = spawn(here, set_when_free(g, 2));
  auto const patient = spawn(here, set_when_free(g, 3));
  auto const refused = spawn(here, lock_and_be_cancelled(g));
  here.run_all();
  CHECK(refused->was_cancelled());
  cancelled->cancel();
  here.run_all();
  CHECK(cancelled->was_cancelled());
  CHECK(*held == 1);
  held.unlock();
  here.run_all();
  REQUIRE(patient->done());
  CHECK(*g.lock() == 3);
  CHECK(is_free(g));
}

TEST_CASE("guarded: a foreign coroutine waits on the executor of its thread", "[guarded]") {
  guarded<int> g(1);
  queue_executor here;
  concur::executor_scope const this_thread(here);
  auto held = g.lock();
  auto const coroutine = set_foreign(g);
  here.run_all();
  CHECK(*held == 1);
  held.unlock();
  here.run_all();
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
  CHECK(*g.lock() == 9);
}

namespace {

template <class Mutex>
void readers_share_and_a_writer_has_it_alone() {
  guarded<std::map<int, int>, Mutex> g;
  (*g.lock())[1] = 2;
  auto const& constant = g;
  {
    auto const reader = constant.lock_shared();
    CHECK(reader->at(1) == 2);
    bool shared[5] = {};
    std::thread([&] {
      shared[0] = bool(constant.try_lock_shared());
      shared[1] = bool(constant.try_lock_shared_for(microseconds(1)));
      shared[2] = bool(constant.try_lock_shared_until(std::chrono::steady_clock::now()));
      shared[3] = constant.with_shared([](auto& numbers) { return numbers.size(); }) == 1;
      shared[4] = bool(g.try_lock());
    }).join();
    CHECK(shared[0]);
    CHECK(shared[1]);
    CHECK(shared[2]);
    CHECK(shared[3]);
    CHECK_FALSE(shared[4]);
  }
  {
    auto const writer = g.lock();
    bool shared[3] = {true, true, true};
    std::thread([&] {
      shared[0] = bool(constant.try_lock_shared());
      shared[1] = bool(constant.try_lock_shared_for(microseconds(1)));
      shared[2] = bool(constant.try_lock_shared_until(std::chrono::steady_clock::now()));
    }).join();
    CHECK_FALSE(shared[0]);
    CHECK_FALSE(shared[1]);
    CHECK_FALSE(shared[2]);
  }
  static_assert(std::is_same_v<decltype(constant.with_shared([](auto& m) -> auto& { return m; })), std::map<int, int>>);
  CHECK(is_free(g));
}

template <class Mutex>
void readers_never_see_a_writers_half() {
  int const times = rounds(200'000);
  guarded<pair_of_numbers, Mutex> g;
  std::atomic<int> torn{0};
  support::hammer crowd;
  crowd.add(2, [&] {
    for (int i = 0; i < times; ++i) {
      g.with([](auto& numbers) {
        ++numbers.first;
        ++numbers.second;
      });
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      auto const numbers = g.lock_shared();
      if (numbers->first != numbers->second) torn.fetch_add(1);
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      if (!g.with_shared([](auto& numbers) { return numbers.first == numbers.second; })) torn.fetch_add(1);
    }
  });
  crowd.run();
  CHECK(torn.load() == 0);
  CHECK(g.lock()->first == 2L * times);
}

test_task<> read_when_open(guarded<int, concur::shared_mutex> const& g, int& seen) {
  int const offset = 100;
  auto number = co_await g.async_lock_shared();
  seen = offset + *number;
}

}  // namespace

TEST_CASE("guarded: readers share the value, and a writer has it alone", "[guarded]") {
  readers_share_and_a_writer_has_it_alone<std::shared_timed_mutex>();
  readers_share_and_a_writer_has_it_alone<concur::shared_mutex>();
}

TEST_CASE("guarded: readers never see a writer's half", "[guarded]") {
  readers_never_see_a_writers_half<std::shared_timed_mutex>();
  readers_never_see_a_writers_half<concur::shared_mutex>();
}

TEST_CASE("guarded: tasks and stops, shared", "[guarded]") {
  guarded<int, concur::shared_mutex> g(5);
  auto const& constant = g;
  queue_executor here;
  concur::os::stop_source source;
  source.request_stop();
  int seen[3] = {};
  {
    auto held = g.lock();
    auto const patient = spawn(here, read_when_open(g, seen[0]));
    auto const cancelled = spawn(here, read_when_open(g, seen[1]));
    here.run_all();
    cancelled->cancel();
    here.run_all();
    CHECK(cancelled->was_cancelled());
    bool locked = true;
    std::thread([&] { locked = bool(constant.lock_shared(source.get_token())); }).join();
    CHECK_FALSE(locked);
    *held = 6;
    held.unlock();
    here.run_all();
    CHECK(patient->done());
  }
  CHECK(seen[0] == 106);
  CHECK(seen[1] == 0);
  auto const reader = constant.lock_shared(source.get_token());
  CHECK(reader);
  auto const beside = spawn(here, read_when_open(g, seen[2]));
  here.run_all();
  CHECK(seen[2] == 106);
}

TEST_CASE("guarded: a mutex of the standard's will do", "[guarded]") {
  guarded<int, std::mutex> g(1);
  *g.lock() = 2;
  CHECK(g.with([](int& number) { return ++number; }) == 3);
  CHECK(g.try_lock());
}

TEST_CASE("guarded: one in static storage", "[guarded]") { CHECK(*in_static_storage.lock() == 7); }
