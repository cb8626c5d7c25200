// SPDX-License-Identifier: BSL-1.0
//
// Many elements at a time, in every form: with limits, with stops, and awaited.
#include <concur/queue/queue.hpp>

#include "queue_contract.hpp"

#include <concur/core/errors.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#define EVERY_KIND                                                                                  \
  support::bounded_queue, support::unbounded_queue, support::bounded_lifo, support::unbounded_lifo, \
      support::bounded_priority, support::unbounded_priority

namespace {

using namespace std::chrono_literals;
using concur::queue;
using support::parcel;
using support::queue_executor;
using support::rounds;
using support::spawn;
using support::test_task;
using stop_source = concur::os::stop_source;

template <class Kind>
using ints = typename Kind::template type<int>;
template <class Kind>
using parcels = typename Kind::template type<parcel>;

std::vector<parcel> some_parcels(int first, int count) {
  std::vector<parcel> made;
  for (int i = 0; i < count; ++i) made.emplace_back(first + i);
  return made;
}

// Whether the first `gone` were moved out, and the others are as they were.
bool gone_are_the_first(std::vector<parcel> const& items, std::size_t gone, int first) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].value() != (i < gone ? -1 : first + int(i))) return false;
  }
  return true;
}

template <class Queue>
test_task<> put_many_in_task(Queue& q, std::vector<parcel>& items, std::optional<std::size_t>& count) {
  std::size_t const none = 0;
  count = none + co_await q.async_put_many(std::move(items));
}

template <class Queue>
test_task<> get_many_in_task(Queue& q, std::size_t max, std::vector<int>& got) {
  int const times = 2;
  for (int i = 0; i < times; ++i) {
    auto const items = co_await q.async_get_many(max);
    for (auto const& each : items) got.push_back(each.value());
  }
}

}  // namespace

TEMPLATE_TEST_CASE("queues, in bulk: every form gives and takes", "[queue]", EVERY_KIND) {
  ints<TestType> q(TestType::limit(4));
  stop_source const source;
  auto const moment = std::chrono::system_clock::now() + 1h;
  std::vector<int> const two{1, 1};
  std::vector<int> const all(4, 1);
  CHECK(q.put_many(two) == 2);
  CHECK(q.put_many(two, source.get_token()) == 2);
  CHECK(q.get_many(9) == all);
  CHECK(q.try_put_many(two) == 2);
  CHECK(q.try_put_many(std::span(two)) == 2);
  CHECK(q.get_many(9, source.get_token()) == all);
  CHECK(q.try_put_many_for(two, 1h) == 2);
  CHECK(q.try_put_many_until(two, moment) == 2);
  CHECK(q.try_get_many(9) == all);
  CHECK(q.put_many(std::views::iota(1, 2)) == 1);
  CHECK(q.try_get_many_for(9, 1h) == std::vector{1});
  CHECK(q.put_many(std::vector{1}) == 1);
  CHECK(q.try_get_many_until(9, moment) == std::vector{1});

  // Of nothing, and of none.
  std::vector<int> const nothing;
  CHECK(q.try_put_many(nothing) == 0);
  CHECK(q.try_put_many_for(nothing, 1h) == 0);
  CHECK(q.put_many(nothing, source.get_token()) == 0);
  CHECK(q.try_get_many_for(0, 1h).empty());
  CHECK(q.get_many(0, source.get_token()).empty());
  CHECK(q.try_get_many(9).empty());
}

TEMPLATE_TEST_CASE("queues, in bulk: time limits of every kind", "[queue]", EVERY_KIND) {
  ints<TestType> q(TestType::limit(2));
  std::vector<int> const two{1, 1};
  auto const get_for = [&q](auto const& length) { return !q.try_get_many_for(2, length).empty(); };
  auto const get_until = [&q](auto const& moment) { return !q.try_get_many_until(2, moment).empty(); };
  support::check_limits_in_vain(get_for, get_until);
  support::check_limits_in_time(get_for, get_until, [] {}, [&q] { q.put(1); });
  q.put(1);
  support::check_limits_at_once(get_for, get_until, [&q] { q.put(1); });
  q.get();
  if (!TestType::bounded) return;
  auto const put_for = [&](auto const& length) { return q.try_put_many_for(two, length) == 2; };
  auto const put_until = [&](auto const& moment) { return q.try_put_many_until(two, moment) == 2; };
  auto const get_two = [&] { static_cast<void>(q.get_many(2)); };
  support::check_limits_at_once(put_for, put_until, get_two);
  q.put(1);
  // There is room for one of the two.
  auto const in_part = [&q](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) q.get();
    return count == 2;
  };
  support::check_limits_in_vain([&](auto const& length) { return in_part(q.try_put_many_for(two, length)); },
                                [&](auto const& moment) { return in_part(q.try_put_many_until(two, moment)); });
  CHECK(q.size() == 1);
  support::check_limits_in_time(
      put_for, put_until, [] {},
      [&] {
        for (int i = 0; i < 2; ++i) q.get();
      });
}

TEMPLATE_TEST_CASE("queues, in bulk: what goes in goes in, and the rest stays with the caller", "[queue]",
                   support::bounded_queue, support::bounded_lifo, support::bounded_priority) {
  {
    stop_source stopped;
    stopped.request_stop();
    using items_type = std::vector<parcel>;
    auto const partly = [](auto put) {
      parcels<TestType> q(3);
      auto items = some_parcels(10, 5);
      CHECK(put(q, items) == 3);
      CHECK(gone_are_the_first(items, 3, 10));
      CHECK(put(q, items) == 0);
      CHECK(gone_are_the_first(items, 3, 10));
      CHECK(q.size() == 3);
    };
    partly([](auto& q, items_type& items) { return q.try_put_many(std::move(items)); });
    partly([](auto& q, items_type& items) { return q.try_put_many_for(std::move(items), 1us); });
    partly([](auto& q, items_type& items) {
      return q.try_put_many_until(std::move(items), std::chrono::system_clock::now() + 1us);
    });
    partly([&](auto& q, items_type& items) { return q.put_many(std::move(items), stopped.get_token()); });
    // Moved out by the iterators.
    partly([](auto& q, items_type& items) {
      std::size_t const left = std::size_t(std::ranges::count_if(items, [](auto const& each) { return each.full(); }));
      auto const from = std::move_iterator(items.end() - std::ptrdiff_t(left));
      return q.try_put_many(std::ranges::subrange(from, std::move_iterator(items.end())));
    });
  }
  CHECK(parcel::alive() == 0);
}

TEMPLATE_TEST_CASE("queues, in bulk: a closed one refuses all or the rest, and gives what is left", "[queue]",
                   EVERY_KIND) {
  {
    parcels<TestType> q(TestType::limit(3));
    stop_source const source;
    CHECK(q.put_many(some_parcels(1, 2)) == 2);
    q.close();
    auto items = some_parcels(5, 2);
    auto const moment = std::chrono::steady_clock::now() + 1h;
    CHECK_THROWS_AS(q.try_put_many(std::move(items)), concur::closed);
    CHECK_THROWS_AS(q.try_put_many_for(std::move(items), 1h), concur::closed);
    CHECK_THROWS_AS(q.try_put_many_until(std::move(items), moment), concur::closed);
    CHECK_THROWS_AS(q.put_many(std::move(items), source.get_token()), concur::closed);
    CHECK(gone_are_the_first(items, 0, 5));
    CHECK(q.try_get_many_for(1, 1h).size() == 1);
    CHECK(q.get_many(5, source.get_token()).size() == 1);
    CHECK_THROWS_AS(q.try_get_many_for(1, 1h), concur::closed);
    CHECK_THROWS_AS(q.try_get_many_until(1, moment), concur::closed);
    CHECK_THROWS_AS(q.get_many(1, source.get_token()), concur::closed);
  }
  for (int round = 0; TestType::bounded && round < rounds(200); ++round) {
    parcels<TestType> q(TestType::limit(2));
    auto items = some_parcels(1, 5);
    std::size_t put = 0;
    std::thread putting([&] { put = q.try_put_many_for(std::move(items), 1h); });
    while (!q.full()) std::this_thread::yield();
    auto const taken = q.try_get_many(1 + std::size_t(round) % 2).size();
    q.close();
    putting.join();
    std::size_t const left = q.size();
    REQUIRE(put == taken + left);
    REQUIRE(gone_are_the_first(items, put, 1));
  }
  CHECK(parcel::alive() == 0);
}

TEMPLATE_TEST_CASE("queues, in bulk: a stop ends the wait and says what was done", "[queue]", EVERY_KIND) {
  for (int round = 0; round < rounds(300); ++round) {
    parcels<TestType> q(TestType::limit(2));
    stop_source source;
    std::size_t got = 1;
    std::thread getting([&] { got = q.get_many(3, source.get_token()).size(); });
    source.request_stop();
    getting.join();
    REQUIRE(got == 0);
    if (!TestType::bounded) continue;
    source = stop_source();
    auto items = some_parcels(1, 4);
    std::size_t put = 0;
    std::thread putting([&] { put = q.put_many(std::move(items), source.get_token()); });
    if (round % 2 == 0) {
      while (!q.full()) std::this_thread::yield();
    }
    std::size_t const taken = q.try_get_many(1).size();
    source.request_stop();
    putting.join();
    REQUIRE(put == taken + q.size());
    REQUIRE(gone_are_the_first(items, put, 1));
  }
}

TEST_CASE("queue, in bulk: a range that makes its elements as it goes makes each once", "[queue]") {
  queue<parcel> q(2);
  int made = 0;
  auto const numbers = std::views::iota(0, 5) | std::views::transform([&made](int n) {
                         ++made;
                         return parcel(n);
                       });
  std::thread getting([&q] {
    for (int i = 0; i < 5; ++i) {
      while (!q.try_get()) std::this_thread::yield();
    }
  });
  CHECK(q.try_put_many_for(numbers, 1h) == 5);
  getting.join();
  CHECK(made == 5);

  queue_executor here;
  std::size_t count = 0;
  auto const put_all = [](auto& to, auto const& range, std::size_t& put) -> test_task<> {
    std::size_t const none = 0;
    put = none + co_await to.async_put_many(range);
  };
  auto const root = spawn(here, put_all(q, numbers, count));
  for (int i = 0; i < 5; ++i) {
    here.run_all();
    CHECK(q.get().value() == i);
  }
  here.run_all();
  CHECK(root->done());
  CHECK(count == 5);
  CHECK(made == 10);
}

// ---- awaited

TEMPLATE_TEST_CASE("queues, in bulk: a task puts and gets", "[queue]", EVERY_KIND) {
  parcels<TestType> q(TestType::limit(2));
  queue_executor here;
  auto items = some_parcels(1, 5);
  std::optional<std::size_t> count;
  std::vector<int> got;
  auto const putting = spawn(here, put_many_in_task(q, items, count));
  here.run_all();
  CHECK(putting->done() == !TestType::bounded);
  CHECK(gone_are_the_first(items, TestType::bounded ? 2 : 5, 1));
  auto const getting = spawn(here, get_many_in_task(q, 3, got));
  here.run_all();
  CHECK(getting->done());
  for (auto const& each : q.try_get_many(5)) got.push_back(each.value());
  here.run_all();
  for (auto const& each : q.try_get_many(5)) got.push_back(each.value());
  CHECK(putting->done());
  CHECK(count == 5);
  std::ranges::sort(got);
  CHECK(got == std::vector{1, 2, 3, 4, 5});
}

TEMPLATE_TEST_CASE("queues, in bulk: close ends a task's wait, and says how many are in", "[queue]", EVERY_KIND) {
  queue_executor here;
  {
    parcels<TestType> q(TestType::limit(2));
    std::vector<int> got;
    auto const getting = spawn(here, get_many_in_task(q, 3, got));
    here.run_all();
    q.close();
    here.run_all();
    CHECK(getting->failed());
    CHECK_THROWS_AS(getting->result(), concur::closed);
  }
  parcels<TestType> q(TestType::limit(2));
  auto items = some_parcels(1, 5);
  std::optional<std::size_t> count;
  auto const putting = spawn(here, put_many_in_task(q, items, count));
  here.run_all();
  q.close();
  here.run_all();
  REQUIRE(putting->done());
  CHECK_NOTHROW(putting->result());
  CHECK(count == (TestType::bounded ? 2u : 5u));
  CHECK(gone_are_the_first(items, *count, 1));
  auto more = some_parcels(7, 2);
  std::optional<std::size_t> none;
  auto const refused = spawn(here, put_many_in_task(q, more, none));
  here.run_all();
  CHECK_THROWS_AS(refused->result(), concur::closed);
  CHECK(gone_are_the_first(more, 0, 7));
}

TEMPLATE_TEST_CASE("queues, in bulk: a cancel at any point loses nothing, and what was done is told", "[queue]",
                   EVERY_KIND) {
  support::at_every_cancel(8, [](support::cancel_moment const& moment) {
    {
      parcels<TestType> q(TestType::limit(4));
      queue_executor here;
      std::vector<int> got;
      int put = 0;
      auto const root = spawn(here, get_many_in_task(q, 2, got));
      moment.strike(here, *root, [&] { q.put(parcel(put++)); });
      CHECK(got.size() + q.size() == std::size_t(put));
    }
    if (TestType::bounded) {
      parcels<TestType> q(TestType::limit(1));
      q.put(parcel(99));
      queue_executor here;
      auto items = some_parcels(1, 3);
      std::optional<std::size_t> count;
      std::size_t taken = 0;
      auto const root = spawn(here, put_many_in_task(q, items, count));
      moment.strike(here, *root, [&] { taken += q.try_get() ? 1 : 0; });
      std::size_t const in = taken + q.size() - 1;
      CHECK(gone_are_the_first(items, in, 1));
      CHECK(root->was_cancelled() == (in == 0));
      CHECK(count.value_or(0) == in);
    }
    CHECK(parcel::alive() == 0);
  });
}

namespace {

template <class Queue>
test_task<> many_beside_cancel(Queue& q, std::vector<parcel>& items, bool puts) {
  if (puts) {
    auto const make = [&] { return q.async_put_many(std::move(items)); };
    co_await support::cancel_before_publish(make);
  } else {
    auto const make = [&] { return q.async_get_many(2); };
    co_await support::cancel_before_publish(make);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("queues, in bulk: a task cancelled before it stands in the list is refused", "[queue]",
                   support::bounded_queue, support::bounded_lifo, support::bounded_priority) {
  for (bool const puts : {false, true}) {
    parcels<TestType> q(1);
    if (puts) q.put(parcel(9));
    auto items = some_parcels(1, 2);
    queue_executor here;
    auto const root = spawn(here, many_beside_cancel(q, items, puts));
    here.run_all();
    CHECK(root->was_cancelled());
    CHECK(gone_are_the_first(items, 0, 1));
    CHECK(q.size() == (puts ? 1 : 0));
  }
}

namespace {

// The third copy throws.
struct fragile {
  explicit fragile(int n) : number(n) {}
  fragile(fragile const& other) : number(other.number) {
    if (number == 3) throw number;
  }
  bool operator<(fragile const& other) const { return number < other.number; }
  int number;
};

template <class Queue>
test_task<std::size_t> copy_many_in(Queue& q, std::vector<fragile> const& items) {
  std::size_t const none = 0;
  co_return none + co_await q.async_put_many(items);
}

support::foreign_coroutine many_in_foreign(queue<int>& q, std::vector<int>& got) {
  std::vector<int> const items{1, 2, 3};
  got = co_await q.async_get_many(5);
  co_await q.async_put_many(items);
}

}  // namespace

TEMPLATE_TEST_CASE("queues, in bulk: an element that throws in a task's await", "[queue]", concur::queue<fragile>,
                   concur::lifo_queue<fragile>, concur::priority_queue<fragile>) {
  TestType q(2);
  queue_executor here;
  std::vector<fragile> items;
  items.reserve(4);
  for (int i = 1; i <= 4; ++i) items.emplace_back(i);
  auto const root = spawn(here, copy_many_in(q, items));
  here.run_all();
  if (!root->done()) static_cast<void>(q.get());
  here.run_all();
  REQUIRE(root->done());
  CHECK_THROWS_AS(root->result(), int);
  CHECK(q.size() >= 1);
}

TEST_CASE("queue, in bulk: a foreign coroutine waits on the executor of its thread", "[queue]") {
  queue<int> q(2);
  queue_executor here;
  std::vector<int> got;
  concur::executor_scope const this_thread(here);
  auto const coroutine = many_in_foreign(q, got);
  CHECK_FALSE(coroutine.done());
  q.put(7);
  here.run_all();
  CHECK(got == std::vector{7});
  CHECK_FALSE(coroutine.done());
  CHECK(q.get() == 1);
  here.run_all();
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
  CHECK(q.get_many(5) == std::vector{2, 3});
}

// ---- all together

namespace {

// Its tasks are cancelled now and then; what they did not put in is put in by the thread.
test_task<> put_until_cancelled(queue<parcel>& q, std::vector<parcel>& items, std::size_t& put) {
  std::size_t const none = 0;
  put = none + co_await q.async_put_many(std::move(items));
}
test_task<> get_many_until_closed(queue<parcel>& q, std::vector<std::atomic<unsigned char>>& seen) {
  int const most = 5;
  try {
    for (;;) {
      auto const items = co_await q.async_get_many(most);
      for (auto const& each : items) seen[std::size_t(each.value())].fetch_add(1, std::memory_order_relaxed);
    }
  } catch (concur::closed const&) {
  }
}

}  // namespace

TEST_CASE("queue, in bulk: every form in one hammer, each element comes out once", "[queue]") {
  std::size_t const capacity = GENERATE(1u, 3u, 100u);
  {
    int const each = rounds(6'000);
    constexpr int producers = 4;
    std::vector<std::atomic<unsigned char>> seen(std::size_t(producers * each));
    std::atomic<int> left{producers}, wrong{0};
    queue<parcel> q(capacity);
    auto const in_batches = [&](int who, auto put) {
      for (int i = 0; i < each;) {
        int const size = std::min(1 + i % 7, each - i);
        auto items = some_parcels(who * each + i, size);
        std::size_t in = 0;
        while (in != items.size()) {
          std::size_t const count = put(std::span(items).subspan(in));
          if (!gone_are_the_first(items, in + count, who * each + i)) wrong.fetch_add(1);
          in += count;
        }
        i += size;
      }
      if (left.fetch_sub(1) == 1) q.close();
    };
    auto const moved = [](std::span<parcel> items) {
      return std::ranges::subrange(std::move_iterator(items.begin()), std::move_iterator(items.end()));
    };
    support::threads_executor pool(1);
    support::hammer crowd;
    crowd.add([&] { in_batches(0, [&](auto items) { return q.try_put_many_for(moved(items), 5us); }); });
    crowd.add([&] {
      in_batches(1, [&](auto items) {
        stop_source source;
        std::thread stopping;
        if (items.front().value() % 500 == 0) stopping = std::thread([&source] { source.request_stop(); });
        auto const put = q.put_many(moved(items), source.get_token());
        if (stopping.joinable()) stopping.join();
        return put;
      });
    });
    crowd.add([&] {
      in_batches(2, [&](auto items) {
        auto const put = q.try_put_many(moved(items));
        if (put == 0) std::this_thread::yield();
        return put;
      });
    });
    crowd.add([&] {
      for (int i = 0; i < each;) {
        int const size = std::min(7, each - i);
        auto items = some_parcels(3 * each + i, size);
        std::size_t put = 0;
        auto const root = spawn(pool, put_until_cancelled(q, items, put));
        if (i % 3 == 0) root->cancel();
        root->wait_until_done();
        if (!gone_are_the_first(items, put, 3 * each + i)) wrong.fetch_add(1);
        q.put_many(moved(std::span(items).subspan(put)));
        i += size;
      }
      if (left.fetch_sub(1) == 1) q.close();
    });
    auto const until_closed = [&](auto get) {
      try {
        for (;;) {
          auto const items = get();
          for (auto const& one : items) seen[std::size_t(one.value())].fetch_add(1, std::memory_order_relaxed);
        }
      } catch (concur::closed const&) {
      }
    };
    auto const in_task = spawn(pool, get_many_until_closed(q, seen));
    crowd.add([&] { until_closed([&] { return q.try_get_many_for(3, 5us); }); });
    crowd.add([&] {
      until_closed([&] {
        stop_source const source;
        return q.get_many(2, source.get_token());
      });
    });
    crowd.add([&] {
      until_closed([&] {
        auto items = q.try_get_many(4);
        if (items.empty()) std::this_thread::yield();
        return items;
      });
    });
    crowd.run();
    in_task->wait_until_done();
    CHECK(wrong.load() == 0);
    CHECK(q.empty());
    CHECK(std::ranges::all_of(seen, [](auto const& times) { return times.load() == 1; }));
  }
  CHECK(parcel::alive() == 0);
}
