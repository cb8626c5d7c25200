// SPDX-License-Identifier: BSL-1.0
//
// What every queue of the library promises, as tests over its kind. A test file calls them from its test cases:
//
//     TEMPLATE_TEST_CASE("queues: full, and closed", "[queue]", support::bounded_queue, …) {
//       support::queue_contract<TestType>::closed_refuses_and_drains();
//     }
#pragma once

#include "../support/cancel_moments.hpp"
#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <concur/core/os.hpp>
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <memory>
#include <thread>
#include <vector>

namespace support::inline CONCUR_ABI {

/// Moves only, counts its lives, and owns memory, so that the address sanitizer sees a double end.
class parcel {
 public:
  explicit parcel(int value) : value_(std::make_unique<int>(value)) { alive().fetch_add(1); }
  parcel(parcel&& other) noexcept : value_(std::move(other.value_)) { alive().fetch_add(1); }
  parcel& operator=(parcel&& other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  ~parcel() { alive().fetch_sub(1); }

  bool full() const noexcept { return value_ != nullptr; }
  int value() const noexcept { return full() ? *value_ : -1; }
  bool operator<(parcel const& other) const noexcept { return value() < other.value(); }

  static std::atomic<long>& alive() noexcept {
    static std::atomic<long> count{0};
    return count;
  }

 private:
  std::unique_ptr<int> value_;
};

/// The kinds. `limit(n)` is a bound, or none; `arranged` the order in which values come out that were all in at a time.
struct bounded_queue {
  template <class T>
  using type = concur::queue<T>;
  static constexpr bool bounded = true, fifo = true;
  static std::size_t limit(std::size_t count) { return count; }
  static std::vector<int> arranged(std::vector<int> values) { return values; }
};
struct unbounded_queue : bounded_queue {
  static constexpr bool bounded = false;
  static concur::unbounded_t limit(std::size_t) { return concur::unbounded; }
};
struct bounded_lifo {
  template <class T>
  using type = concur::lifo_queue<T>;
  static constexpr bool bounded = true, fifo = false;
  static std::size_t limit(std::size_t count) { return count; }
  static std::vector<int> arranged(std::vector<int> values) {
    std::reverse(values.begin(), values.end());
    return values;
  }
};
struct unbounded_lifo : bounded_lifo {
  static constexpr bool bounded = false;
  static concur::unbounded_t limit(std::size_t) { return concur::unbounded; }
};
struct bounded_priority {
  template <class T>
  using type = concur::priority_queue<T>;
  static constexpr bool bounded = true, fifo = false;
  static std::size_t limit(std::size_t count) { return count; }
  static std::vector<int> arranged(std::vector<int> values) {
    std::sort(values.rbegin(), values.rend());
    return values;
  }
};
struct unbounded_priority : bounded_priority {
  static constexpr bool bounded = false;
  static concur::unbounded_t limit(std::size_t) { return concur::unbounded; }
};

template <class Kind>
class queue_contract {
 public:
  template <class T>
  using queue = typename Kind::template type<T>;
  using parcels = queue<parcel>;

  static std::vector<int> some_values(std::size_t count) {
    std::vector<int> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(int((i * 7 + 3) % 11));
    return values;
  }

  template <class Queue>
  static std::vector<int> drained(Queue& q) {
    std::vector<int> out;
    while (auto const each = q.try_get()) out.push_back(each->value());
    return out;
  }

  static void order() {
    for (std::size_t capacity : {1u, 3u, 1000u}) {
      parcels q(Kind::limit(capacity));
      CHECK(q.capacity() == (Kind::bounded ? capacity : SIZE_MAX));
      for (int round = 0; round < 5; ++round) {
        auto const values = some_values(capacity);
        CHECK(q.empty());
        for (int value : values) q.put(parcel(value));
        CHECK(q.size() == capacity);
        CHECK(q.full() == Kind::bounded);
        std::vector<int> out;
        for (std::size_t i = 0; i < capacity; ++i) out.push_back(q.get().value());
        REQUIRE(out == Kind::arranged(values));
        CHECK_FALSE(q.try_get());
      }
    }
    CHECK(parcel::alive() == 0);
  }

  static void every_form_gives_and_takes() {
    using namespace std::chrono_literals;
    concur::os::stop_source source;
    queue<int> q(Kind::limit(8));
    int const one = 1;
    q.put(one);
    CHECK(q.get() == 1);
    q.put(2);
    CHECK(q.try_get() == 2);
    CHECK(q.put(one, source.get_token()));
    CHECK(q.get(source.get_token()) == 1);
    CHECK(q.put(3, source.get_token()));
    CHECK(q.try_get_for(1h) == 3);
    CHECK(q.try_put(one));
    CHECK(q.try_get_until(std::chrono::steady_clock::now()) == 1);
    CHECK(q.try_put(4));
    CHECK(q.try_get() == 4);
    CHECK(q.try_put_for(one, 1s));
    CHECK(q.try_put_for(1, 1s));
    CHECK(q.try_put_until(one, std::chrono::system_clock::now() + 1h));
    CHECK(q.try_put_until(1, std::chrono::system_clock::now() + 1h));
    CHECK(q.try_get_many(9) == std::vector<int>(4, 1));
    CHECK(q.put_many(std::vector<int>{5, 5}) == 2);
    CHECK(q.get_many(9) == std::vector<int>{5, 5});
    CHECK(q.try_get_many(9).empty());
    CHECK_FALSE(q.try_get());
    CHECK_FALSE(q.try_get_for(0s));
    source.request_stop();
    CHECK_FALSE(q.get(source.get_token()));
    CHECK(q.put(6, source.get_token()));
    CHECK(q.get(source.get_token()) == 6);
  }

  static test_task<> put_mine(parcels& q, parcel& mine, int& refused) {
    try {
      co_await q.async_put(std::move(mine));
    } catch (concur::closed const&) {
      if (mine.value() == 7) ++refused;
    }
  }

  static void refused_stay_with_the_caller() {
    using namespace std::chrono_literals;
    {
      parcels q(Kind::limit(1));
      concur::os::stop_source source;
      source.request_stop();
      parcel mine(7);
      auto const refused_by_all = [&] {
        CHECK_FALSE(q.try_put(std::move(mine)));
        CHECK_FALSE(q.try_put_for(std::move(mine), 1us));
        CHECK_FALSE(q.try_put_until(std::move(mine), std::chrono::steady_clock::now() + 1us));
        CHECK_FALSE(q.put(std::move(mine), source.get_token()));
        CHECK(mine.value() == 7);
      };
      queue_executor here;
      int refused_in_task = 0;
      std::vector<std::unique_ptr<root_task<void>>> roots;
      if (Kind::bounded) {
        q.put(parcel(1));
        refused_by_all();
        CHECK(q.size() == 1);
        roots.push_back(spawn(here, put_mine(q, mine, refused_in_task)));
        here.run_all();
        CHECK(refused_in_task == 0);
      }
      q.close();
      roots.push_back(spawn(here, put_mine(q, mine, refused_in_task)));
      here.run_all();
      CHECK(refused_in_task == int(roots.size()));
      CHECK_THROWS_AS(q.put(std::move(mine)), concur::closed);
      CHECK_THROWS_AS(q.try_put(std::move(mine)), concur::closed);
      CHECK_THROWS_AS(q.try_put_for(std::move(mine), 1us), concur::closed);
      CHECK_THROWS_AS(q.try_put_until(std::move(mine), std::chrono::steady_clock::now()), concur::closed);
      CHECK_THROWS_AS(q.put(std::move(mine), source.get_token()), concur::closed);
      CHECK(mine.value() == 7);
    }
    CHECK(parcel::alive() == 0);
  }

  static void time_limits() {
    queue<int> q(Kind::limit(1));
    auto const get_for = [&q](auto const& length) { return q.try_get_for(length).has_value(); };
    auto const get_until = [&q](auto const& moment) { return q.try_get_until(moment).has_value(); };
    check_limits_in_vain(get_for, get_until);
    check_limits_in_time(get_for, get_until, [] {}, [&q] { q.put(1); });
    q.put(1);
    check_limits_at_once(get_for, get_until, [&q] { q.put(1); });
    CHECK(q.size() == 1);
    if (!Kind::bounded) return;
    auto const put_for = [&q](auto const& length) { return q.try_put_for(2, length); };
    auto const put_until = [&q](auto const& moment) { return q.try_put_until(2, moment); };
    check_limits_in_vain(put_for, put_until);
    check_limits_in_time(put_for, put_until, [] {}, [&q] { q.get(); });
    CHECK(q.size() == 1);
    q.get();
    check_limits_at_once(put_for, put_until, [&q] { q.get(); });
    CHECK(q.empty());
  }

  static void a_stop_ends_the_wait() {
    for (int round = 0; round < rounds(300); ++round) {
      parcels q(Kind::limit(1));
      concur::os::stop_source source;
      std::optional<parcel> got;
      parcel mine(2);
      bool put = true;
      std::thread getting([&] { got = q.get(source.get_token()); });
      source.request_stop();
      getting.join();
      REQUIRE_FALSE(got);
      if (!Kind::bounded) continue;
      q.put(parcel(1));
      source = concur::os::stop_source();
      std::thread putting([&] { put = q.put(std::move(mine), source.get_token()); });
      source.request_stop();
      putting.join();
      REQUIRE_FALSE(put);
      REQUIRE(mine.value() == 2);
      REQUIRE(q.get().value() == 1);
      REQUIRE(q.empty());
    }
  }

  static void what_comes_with_the_limit_is_had() {
    using namespace std::chrono_literals;
    queue<int> q(Kind::limit(1));
    fake_fiber getting([&q] { q.put(1); }, fake_fiber::limit_passes);
    CHECK(getting.run([&q] { return q.try_get_for(1s); }) == 1);
    if (Kind::bounded) {
      q.put(2);
      fake_fiber putting([&q] { q.get(); }, fake_fiber::limit_passes);
      CHECK(putting.run([&q] { return q.try_put_for(3, 1s); }));
      CHECK(q.get() == 3);
    }
    concur::os::stop_source source;
    fake_fiber stopped([&] {
      q.put(4);
      source.request_stop();
    });
    CHECK(stopped.run([&] { return q.get(source.get_token()); }) == 4);
    CHECK(q.empty());
  }

  static void closed_refuses_and_drains() {
    using namespace std::chrono_literals;
    queue<int> q(Kind::limit(3));
    q.put(1);
    q.put(1);
    CHECK_FALSE(q.is_closed());
    q.close();
    q.close();
    CHECK(q.is_closed());
    std::vector<int> more = {1, 2};
    CHECK_THROWS_AS(q.put_many(more), concur::closed);
    CHECK(q.size() == 2);
    CHECK(q.get() == 1);
    CHECK(q.try_get() == 1);
    concur::os::stop_source source;
    CHECK_THROWS_AS(q.get(), concur::closed);
    CHECK_THROWS_AS(q.try_get(), concur::closed);
    CHECK_THROWS_AS(q.try_get_for(1h), concur::closed);
    CHECK_THROWS_AS(q.try_get_until(std::chrono::steady_clock::now()), concur::closed);
    CHECK_THROWS_AS(q.get(source.get_token()), concur::closed);
    CHECK_THROWS_AS(q.get_many(2), concur::closed);
    CHECK_THROWS_AS(q.try_get_many(2), concur::closed);
    CHECK(q.get_many(0).empty());
    CHECK(q.begin() == q.end());
  }

  static test_task<> get_one(queue<int>& q, std::atomic<int>& got, std::atomic<int>& ends) {
    try {
      int const item = co_await q.async_get();
      got.fetch_add(item);
    } catch (concur::closed const&) {
      ends.fetch_add(1);
    }
  }
  static test_task<> put_one(queue<int>& q, std::atomic<int>& put, std::atomic<int>& ends) {
    int const one = 1;
    try {
      co_await q.async_put(one);
      put.fetch_add(one);
    } catch (concur::closed const&) {
      ends.fetch_add(1);
    }
  }

  // All who wait, in every manner, are told; and what is in the queue goes to one each.
  static void close_wakes_everybody() {
    for (int round = 0; round < rounds(100); ++round) {
      queue<int> q(Kind::limit(2));
      threads_executor pool(1);
      std::atomic<int> got{0}, ends{0};
      std::vector<std::unique_ptr<root_task<void>>> roots;
      for (int i = 0; i < 2; ++i) roots.push_back(spawn(pool, get_one(q, got, ends)));
      hammer crowd;
      crowd.add(2, [&] {
        try {
          got.fetch_add(q.get());
        } catch (concur::closed const&) {
          ends.fetch_add(1);
        }
      });
      crowd.add([&] {
        for (int item : q) got.fetch_add(item);
        ends.fetch_add(1);
      });
      crowd.add([&] {
        q.put(1);
        q.put(1);
        q.close();
      });
      crowd.run();
      for (auto const& root : roots) root->wait_until_done();
      REQUIRE(got.load() == 2);
      REQUIRE(ends.load() >= 3);
      REQUIRE(q.empty());
    }
    if (!Kind::bounded) return;
    for (int round = 0; round < rounds(100); ++round) {
      queue<int> q(Kind::limit(1));
      q.put(1);
      threads_executor pool(1);
      std::atomic<int> put{0}, ends{0};
      auto const root = spawn(pool, put_one(q, put, ends));
      hammer crowd;
      crowd.add(2, [&] {
        try {
          q.put(1);
        } catch (concur::closed const&) {
          ends.fetch_add(1);
        }
      });
      crowd.add([&q] { q.close(); });
      crowd.run();
      root->wait_until_done();
      REQUIRE(put.load() == 0);
      REQUIRE(ends.load() == 3);
      REQUIRE(q.get() == 1);
      REQUIRE_THROWS_AS(q.get(), concur::closed);
    }
  }

  // Put, close and the end of the queue at the same time: each element dies once, whoever has it.
  static void each_element_dies_once() {
    for (int round = 0; round < rounds(2'000); ++round) {
      long got = 0, put = 0, left = 0;
      {
        parcels q(Kind::limit(2));
        hammer crowd;
        crowd.add([&] {
          try {
            for (int i = 0; i < 8; ++i, ++put) q.put(parcel(i));
          } catch (concur::closed const&) {
          }
        });
        crowd.add([&] {
          for (int i = round % 6; i > 0; --i) {
            if (q.try_get()) ++got;
          }
          q.close();
        });
        crowd.run();
        left = long(q.size());
      }
      REQUIRE(parcel::alive() == 0);
      REQUIRE(put == got + left);
    }
  }

  static void bulk() {
    parcels q(Kind::limit(4));
    std::vector<parcel> in;
    for (int value : {5, 6, 7}) in.emplace_back(value);
    CHECK(q.put_many(std::move(in)) == 3);
    auto const front = q.get_many(2);
    CHECK(front.size() == 2);
    CHECK(q.try_get_many(5).size() == 1);
    CHECK(q.try_get_many(5).empty());

    // Copied out of an lvalue, in any kind of range.
    queue<int> numbers(Kind::limit(100));
    std::vector<int> const values = {3, 1, 2};
    CHECK(numbers.put_many(values) == 3);
    CHECK(numbers.put_many(std::views::iota(0, 3)) == 3);
    CHECK(numbers.put_many(std::vector<int>()) == 0);
    CHECK(numbers.get_many(3).size() == 3);
    CHECK(numbers.size() == 3);
    CHECK(values.size() == 3);
    if (!Kind::bounded) return;

    // More than there is room for, and closed half-way: what was not put in is still there.
    std::vector<parcel> many;
    for (int i = 0; i < 9; ++i) many.emplace_back(i);
    std::size_t put = 0;
    std::thread putting([&] { put = q.put_many(std::move(many)); });
    while (!q.full()) std::this_thread::yield();
    CHECK(q.get().full());
    while (!q.full()) std::this_thread::yield();
    q.close();
    putting.join();
    CHECK(put == 5);
    for (std::size_t i = 0; i < many.size(); ++i) CHECK(many[i].full() == (i >= put));
    CHECK(many.back().value() == 8);
    CHECK_THROWS_AS(q.put_many(std::move(many)), concur::closed);
    CHECK(many.back().value() == 8);
    CHECK(drained_until_closed(q) == 4);
  }

  template <class Queue>
  static int drained_until_closed(Queue& q) {
    int count = 0;
    for (auto& each : q) {
      static_cast<void>(each);
      ++count;
    }
    return count;
  }

  static void join_waits_for_every_report() {
    using namespace std::chrono_literals;
    queue<int> q(Kind::limit(10));
    q.join();
    CHECK_THROWS_AS(q.task_done(), concur::misuse);
    for (int i = 0; i < 5; ++i) q.put(i);
    q.get();
    q.task_done();
    CHECK_FALSE(q.try_join_for(1us));
    CHECK_FALSE(q.try_join_until(std::chrono::steady_clock::now()));
    concur::os::stop_source source;
    source.request_stop();
    CHECK_FALSE(q.join(source.get_token()));
    std::atomic<int> done{0};
    std::thread working([&] {
      for (int i = 0; i < 4; ++i) {
        q.get();
        done.fetch_add(1);
        q.task_done();
      }
    });
    q.join();
    CHECK(done.load() == 4);
    working.join();
    CHECK(q.try_join_for(1h));
    CHECK(q.join(source.get_token()));
    CHECK_THROWS_AS(q.task_done(), concur::misuse);

    // Put in many at once counts each; what a closed queue refuses does not.
    CHECK(q.put_many(std::vector<int>{1, 2, 3}) == 3);
    q.close();
    CHECK_THROWS_AS(q.put(4), concur::closed);
    for (int i = 0; i < 3; ++i) q.task_done();
    q.join();
    CHECK_THROWS_AS(q.task_done(), concur::misuse);
  }

  static test_task<> join_in_task(queue<int>& q, bool& joined) {
    bool const yes = true;
    co_await q.async_join();
    joined = yes;
  }
  static void a_task_joins() {
    queue<int> q(Kind::limit(2));
    queue_executor here;
    bool joined = false;
    q.put(1);
    auto const root = spawn(here, join_in_task(q, joined));
    here.run_all();
    CHECK_FALSE(joined);
    q.get();
    here.run_all();
    CHECK_FALSE(joined);
    q.task_done();
    here.run_all();
    CHECK(joined);
  }

  static test_task<> get_three(parcels& q, int& got) {
    for (int i = 0; i < 3; ++i) {
      auto const item = co_await q.async_get();
      if (item.full()) ++got;
    }
  }
  static test_task<> put_three(parcels& q, int& put, int& refused) {
    for (int i = 0; i < 3; ++i) {
      parcel mine(i);
      try {
        co_await q.async_put(std::move(mine));
        ++put;
      } catch (concur::cancelled const&) {
        if (mine.value() == i) ++refused;
        throw;
      }
    }
  }

  // Before, while and between: whatever the moment, what went in comes out or is still inside.
  static void a_cancel_loses_nothing() {
    at_every_cancel(7, [](cancel_moment const& moment) {
      {
        parcels q(Kind::limit(4));
        queue_executor here;
        int got = 0, put = 0;
        auto const root = spawn(here, get_three(q, got));
        moment.strike(here, *root, [&] {
          q.put(parcel(1));
          ++put;
        });
        CHECK(root->was_cancelled() == (got < 3));
        CHECK(got + int(q.size()) == put);
      }
      if (Kind::bounded) {
        parcels q(Kind::limit(1));
        q.put(parcel(9));
        queue_executor here;
        int put = 0, refused = 0, got = 0;
        auto const root = spawn(here, put_three(q, put, refused));
        moment.strike(here, *root, [&] { got += q.try_get() ? 1 : 0; });
        CHECK(root->was_cancelled() == (put < 3));
        if (moment.begun()) CHECK(refused == (put < 3 ? 1 : 0));
        CHECK(1 + put == got + int(q.size()));
      }
      CHECK(parcel::alive() == 0);
    });
  }

  static test_task<> get_and_be_cancelled(queue<int>& q) {
    auto const make = [&q] { return q.async_get(); };
    co_await cancel_before_publish(make);
  }
  static void a_task_cancelled_before_it_stands_in_the_list() {
    queue<int> q(Kind::limit(1));
    queue_executor here;
    auto const root = spawn(here, get_and_be_cancelled(q));
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled());
    q.put(1);
    CHECK(q.get() == 1);
  }

  // The hint of a cancelled task goes to the next in line.
  static void a_cancelled_task_passes_its_hint_on() {
    queue<int> q(Kind::limit(1));
    queue_executor here;
    std::atomic<int> got{0}, ends{0};
    auto const first = spawn(here, get_one(q, got, ends));
    auto const second = spawn(here, get_one(q, got, ends));
    here.run_all();
    q.put(1);
    first->cancel();
    here.run_all();
    CHECK(first->done());
    if (first->was_cancelled()) CHECK(second->done());
    CHECK(got.load() == 1);
    q.put(1);
    here.run_all();
    CHECK(got.load() + (first->was_cancelled() ? 1 : 0) == 2);
    q.close();
    here.run_all();
    CHECK(second->done());
  }

  static foreign_coroutine get_foreign(queue<int>& q, int& got) {
    for (int i = 0; i < 2; ++i) got += co_await q.async_get();
    co_await q.async_put(9);
  }
  static void a_foreign_coroutine_waits() {
    queue<int> q(Kind::limit(1));
    queue_executor here;
    int got = 0;
    concur::executor_scope const this_thread(here);
    q.put(1);
    auto const coroutine = get_foreign(q, got);
    CHECK(got == 1);
    q.put(2);
    here.run_all();
    CHECK(got == 3);
    CHECK(q.get() == 9);
    REQUIRE(coroutine.done());
    coroutine.rethrow_error();
  }

  // In the hammer every element has a number of its own, and is seen once.
  struct seen_elements {
    explicit seen_elements(int count) : times(std::size_t(count)) {}
    void operator()(int number) { times[std::size_t(number)].fetch_add(1, std::memory_order_relaxed); }
    std::vector<std::atomic<unsigned char>> times;
  };
  static test_task<> put_often(parcels& q, int first, int count) {
    for (int i = 0; i < count; ++i) {
      parcel mine(first + i);
      co_await q.async_put(std::move(mine));
    }
  }
  static test_task<> get_until_closed(parcels& q, seen_elements& seen) {
    try {
      for (;;) {
        auto const item = co_await q.async_get();
        seen(item.value());
      }
    } catch (concur::closed const&) {
    }
  }

  static void every_form_in_one_hammer(std::size_t capacity, bool stormy) {
    {
      weather const sky(stormy);
      int const each = rounds(10'000);
      constexpr int producers = 8;
      seen_elements seen(producers * each);
      std::atomic<int> left{producers}, wrong{0};
      parcels q(Kind::limit(capacity));
      auto const end_of_producer = [&] {
        if (left.fetch_sub(1) == 1) q.close();
      };
      auto const until_closed = [](auto body) {
        try {
          for (;;) body();
        } catch (concur::closed const&) {
        }
      };
      threads_executor pool(2);
      queue_executor here(ready_order::shuffled);
      auto const on_pool = spawn(pool, put_often(q, 0 * each, each));
      auto const on_queue = spawn(here, put_often(q, 1 * each, each));
      std::vector<std::unique_ptr<root_task<void>>> getting;
      getting.push_back(spawn(pool, get_until_closed(q, seen)));
      getting.push_back(spawn(here, get_until_closed(q, seen)));
      hammer crowd;
      crowd.add([&] {
        here.run_until([&] { return on_queue->done(); });
        end_of_producer();
        here.run_until([&] { return getting[1]->done(); });
      });
      crowd.add([&] {
        on_pool->wait_until_done();
        end_of_producer();
      });
      crowd.add([&] {
        for (int i = 0; i < each; ++i) q.put(parcel(2 * each + i));
        end_of_producer();
      });
      crowd.add([&] {
        for (int i = 0; i < each; ++i) {
          parcel mine(3 * each + i);
          while (!q.try_put_for(std::move(mine), std::chrono::microseconds(i % 40))) {
          }
        }
        end_of_producer();
      });
      crowd.add([&] {
        for (int i = 0; i < each; ++i) {
          parcel mine(4 * each + i);
          concur::os::stop_source source;
          std::thread stopping;
          if (i % 500 == 0) stopping = std::thread([&source] { source.request_stop(); });
          if (!q.put(std::move(mine), source.get_token())) q.put(std::move(mine));
          if (stopping.joinable()) stopping.join();
        }
        end_of_producer();
      });
      crowd.add([&] {
        for (int i = 0; i < each;) {
          std::vector<parcel> batch;
          for (int k = 0; k < 7 && i < each; ++k, ++i) batch.emplace_back(5 * each + i);
          if (q.put_many(std::move(batch)) != batch.size()) wrong.fetch_add(1);
        }
        end_of_producer();
      });
      crowd.add([&] {
        for (int i = 0; i < each; ++i) {
          parcel mine(6 * each + i);
          while (!q.try_put(std::move(mine))) std::this_thread::yield();
        }
        end_of_producer();
      });
      crowd.add([&] {
        // Tasks that are cancelled: each has put some of its own, the rest is put by the thread.
        for (int i = 0; i < each;) {
          int const last = std::min(each, i + 20);
          int next = i;
          auto const root = spawn(pool, put_counted(q, 7 * each, next, last));
          root->cancel();
          root->wait_until_done();
          if (next == i) q.put(parcel(7 * each + next++));
          i = next;
        }
        end_of_producer();
      });
      crowd.add([&] { until_closed([&] { seen(q.get().value()); }); });
      crowd.add([&] {
        for (auto& item : q) seen(item.value());
      });
      crowd.add([&] {
        until_closed([&] {
          if (auto const item = q.try_get_for(std::chrono::microseconds(5))) seen(item->value());
        });
      });
      crowd.add([&] {
        until_closed([&] {
          for (auto& item : q.get_many(5)) seen(item.value());
        });
      });
      crowd.add([&] {
        until_closed([&] {
          concur::os::stop_source source;
          if (auto const item = q.get(source.get_token())) seen(item->value());
        });
      });
      crowd.add([&] {
        until_closed([&] {
          auto const item = q.try_get();
          if (item) {
            seen(item->value());
          } else {
            std::this_thread::yield();
          }
        });
      });
      crowd.run();
      for (auto const& root : getting) root->wait_until_done();
      CHECK_FALSE(on_pool->error());
      CHECK_FALSE(on_queue->error());
      CHECK(wrong.load() == 0);
      CHECK(q.empty());
      CHECK(std::all_of(seen.times.begin(), seen.times.end(), [](auto const& times) { return times.load() == 1; }));
    }
    CHECK(parcel::alive() == 0);
  }

  static test_task<> put_counted(parcels& q, int offset, int& next, int last) {
    while (next < last) {
      parcel mine(offset + next);
      co_await q.async_put(std::move(mine));
      ++next;
    }
  }

  // One party reports, all of them join, again and again.
  static void reports_beside_joins() {
    queue<int> q(Kind::limit(4));
    int const times = rounds(5'000);
    std::atomic<int> done{0};
    std::atomic<int> wrong{0};
    hammer crowd;
    crowd.add([&] {
      for (int i = 1; i <= times; ++i) {
        q.put(i);
        q.put(i);
        q.join();
        if (done.load() != 2 * i) wrong.fetch_add(1);
      }
      q.close();
    });
    crowd.add(2, [&] {
      for (int item : q) {
        static_cast<void>(item);
        done.fetch_add(1);
        q.task_done();
      }
    });
    crowd.run();
    CHECK(wrong.load() == 0);
    CHECK(done.load() == 2 * times);
  }
};

}  // namespace support::inline CONCUR_ABI
