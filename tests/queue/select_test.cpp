// SPDX-License-Identifier: BSL-1.0
#include <concur/queue/select.hpp>

#include "../support/failing_new.hpp"
#include "queue_contract.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::async_select;
using concur::lifo_queue;
using concur::on_get;
using concur::on_put;
using concur::priority_queue;
using concur::queue;
using concur::try_select;
using concur::try_select_for;
using concur::try_select_until;
using support::fake_fiber;
using support::hammer;
using support::parcel;
using support::queue_executor;
using support::root_task;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

// Two queues of different kinds, and what came out of them.
struct two_queues {
  explicit two_queues(std::size_t capacity = 4) : numbers(capacity), parcels(capacity) {}

  auto number() {
    return on_get(numbers, [this](int value) { got.push_back(value); });
  }
  auto item() {
    return on_get(parcels, [this](parcel&& item) { got.push_back(parcel(std::move(item)).value()); });
  }
  void close() {
    numbers.close();
    parcels.close();
  }

  queue<int> numbers;
  lifo_queue<parcel> parcels;
  std::vector<int> got;
};

template <class Handler>
concept takes_int = requires(queue<int>& q, Handler handler) { on_get(q, handler); };
static_assert(takes_int<void (*)(int)> && takes_int<void (*)(int&&)> && takes_int<void (*)(long)>);
static_assert(!takes_int<void (*)(int&)> && !takes_int<void (*)()> && !takes_int<void (*)(std::string)>);
static_assert(!concur::select_case<queue<int>&> && !concur::select_case<concur::os::stop_token>);

}  // namespace

TEST_CASE("select: every form does one thing, calls its handler and says which", "[select]") {
  two_queues st;
  concur::os::stop_source source;
  auto const token = source.get_token();
  auto const hour = std::chrono::steady_clock::now() + 1h;
  int expected = 0;
  auto const check = [&](std::optional<std::size_t> which, std::size_t wanted) {
    ++expected;
    CHECK(which == wanted);
    CHECK(st.got == std::vector<int>{expected});
    st.got.clear();
    CHECK(st.numbers.empty());
    CHECK(st.parcels.empty());
  };
  st.numbers.put(1);
  check(concur::select(st.number(), st.item()), 0);
  st.parcels.put(parcel(2));
  check(concur::select(st.number(), st.item()), 1);
  st.numbers.put(3);
  check(concur::select(token, st.number(), st.item()), 0);
  st.parcels.put(parcel(4));
  check(try_select(st.number(), st.item()), 1);
  st.numbers.put(5);
  check(try_select_for(1h, st.number(), st.item()), 0);
  st.parcels.put(parcel(6));
  check(try_select_until(hour, st.number(), st.item()), 1);
  source.request_stop();
  st.parcels.put(parcel(7));
  check(concur::select(token, st.item(), st.number()), 0);

  CHECK_FALSE(try_select(st.number(), st.item()));
  CHECK_FALSE(try_select_for(1us, st.number(), st.item()));
  CHECK_FALSE(try_select_until(std::chrono::system_clock::now(), st.number(), st.item()));
  CHECK_FALSE(concur::select(token, st.number(), st.item()));
  CHECK(st.got.empty());
}

TEMPLATE_TEST_CASE("select: takes from and puts into every kind of queue", "[select]", support::bounded_queue,
                   support::unbounded_queue, support::bounded_lifo, support::bounded_priority,
                   support::unbounded_priority) {
  {
    typename TestType::template type<parcel> q(TestType::limit(2));
    queue<int> other(1);
    std::vector<int> got;
    auto const item = on_get(q, [&got](parcel&& p) { got.push_back(p.value()); });
    auto const number = on_get(other, [&got](int value) { got.push_back(value); });
    auto const values = std::vector<int>{5, 8};
    for (int value : values) {
      parcel mine(value);
      CHECK(concur::select(on_put(q, std::move(mine)), number) == 0);
      CHECK_FALSE(mine.full());
    }
    if (TestType::bounded) {
      parcel mine(9);
      CHECK_FALSE(try_select(on_put(q, std::move(mine)), number));
      CHECK(mine.value() == 9);
    }
    CHECK(concur::select(item, number) == 0);
    CHECK(concur::select(number, item) == 1);
    CHECK(got == TestType::arranged(values));
    std::thread later([&] { q.put(parcel(7)); });
    CHECK(concur::select(number, item) == 1);
    later.join();
    CHECK(got.back() == 7);
    q.close();
    CHECK_FALSE(try_select(number, item));
    CHECK_FALSE(try_select_for(1ms, number, item));
  }
  CHECK(parcel::alive() == 0);
}

TEST_CASE("select: an element that is not put stays with the caller as it was", "[select]") {
  queue<std::string> first(1), second(1);
  std::string a = "a string too long for its own memory", b = "another string that is too long for it";
  std::string const a_before = a, b_before = b;
  int puts = 0;
  auto const count = [&puts] { ++puts; };
  first.put("full");
  CHECK(concur::select(on_put(first, std::move(a), count), on_put(second, std::move(b), count)) == 1);
  CHECK(a == a_before);
  CHECK(second.get() == b_before);
  CHECK(puts == 1);
  second.put("full");
  b = b_before;
  CHECK_FALSE(try_select(on_put(first, std::move(a)), on_put(second, std::move(b))));
  CHECK_FALSE(try_select_for(1us, on_put(first, std::move(a)), on_put(second, std::move(b))));
  second.close();
  CHECK_FALSE(try_select(on_put(first, std::move(a)), on_put(second, std::move(b))));
  first.close();
  CHECK_THROWS_AS(concur::select(on_put(first, std::move(a)), on_put(second, std::move(b))), concur::closed);
  CHECK(a == a_before);
  CHECK(b == b_before);
}

TEST_CASE("select: an element that is copied is what it is at the time of the select", "[select]") {
  queue<std::string> q(4);
  std::string text = "first";
  auto const put = on_put(q, std::as_const(text));
  concur::select(put);
  text = "second";
  concur::select(put);
  concur::select(put);
  concur::select(on_put(q, "converted"));
  CHECK(text == "second");
  CHECK(q.get() == "first");
  CHECK(q.get() == "second");
  CHECK(q.get() == "second");
  CHECK(q.get() == "converted");
}

TEST_CASE("select: cases are used again, and handlers may be what can be called", "[select]") {
  queue<int> q(8);
  int calls = 0;
  struct counter {
    void operator()(int) { ++*count; }
    int* count;
  };
  auto mine = on_get(q, counter{&calls});
  auto owning = on_get(q, [sum = std::make_unique<int>(0), &calls](int value) mutable { calls += (*sum += value); });
  std::function<void(int)> const function = [&calls](int value) { calls += value; };
  auto const third = on_get(q, function);
  for (int i = 0; i < 3; ++i) q.put(1);
  concur::select(mine);
  concur::select(owning);
  concur::select(third);
  CHECK(calls == 3);
  CHECK(q.empty());
}

TEST_CASE("select: the same queue may stand in it more than once", "[select]") {
  queue<int> q(1);
  int got = 0;
  auto const get = on_get(q, [&got](int value) { got += value; });
  CHECK(concur::select(get, on_put(q, 3)) == 1);
  CHECK(concur::select(get, on_put(q, 4)) == 0);
  CHECK(got == 3);
  std::thread later([&q] { q.put(2); });
  CHECK(concur::select(get, get, get) <= 2);
  later.join();
  CHECK(got == 5);
  // The hint that it got for the one is nobody's but its own for the others.
  fake_fiber fiber([&q] { q.put(1); });
  fiber.run([&] { return concur::select(get, get); });
  CHECK(got == 6);
  CHECK(q.empty());
}

TEST_CASE("select: a closed queue is passed over, and when all are closed it says so", "[select]") {
  two_queues st(1);
  concur::os::stop_source source;
  auto const number = st.number();
  auto const item = st.item();
  st.numbers.put(1);
  st.numbers.close();
  CHECK(concur::select(number, item) == 0);
  CHECK_FALSE(try_select(number, item));
  CHECK_FALSE(try_select_for(1us, number, item));
  st.parcels.put(parcel(2));
  CHECK(concur::select(number, item) == 1);
  st.parcels.put(parcel(3));
  st.parcels.close();
  CHECK(concur::select(number, item) == 1);
  CHECK_THROWS_AS(concur::select(number, item), concur::closed);
  CHECK_THROWS_AS(concur::select(source.get_token(), number, item), concur::closed);
  CHECK_THROWS_AS(try_select(number, item), concur::closed);
  CHECK_THROWS_AS(try_select_for(0s, number, item), concur::closed);
  CHECK_THROWS_AS(try_select_until(std::chrono::steady_clock::now() + 1h, number, item), concur::closed);

  // Putting into a closed one counts as closed, getting what is left does not.
  queue<int> in(1), out(1);
  int got = 0;
  auto const get = on_get(in, [&got](int value) { got += value; });
  int const five = 5;
  auto const put = on_put(out, five);
  in.put(1);
  in.close();
  out.close();
  CHECK(concur::select(get, put) == 0);
  CHECK_THROWS_AS(concur::select(get, put), concur::closed);
  CHECK_THROWS_AS(concur::select(put), concur::closed);
  queue<int> open(1);
  CHECK(concur::select(put, get, on_put(open, 7)) == 2);
  CHECK(got == 1);
  CHECK(st.got == std::vector<int>{1, 2, 3});
}

TEST_CASE("select: closing the last queue ends the wait of everybody", "[select]") {
  for (int round = 0; round < rounds(200); ++round) {
    two_queues st(1);
    queue<int> full(1);
    full.put(1);
    std::atomic<int> ends{0}, others{0};
    hammer crowd;
    crowd.add(2, [&] {
      try {
        concur::select(on_get(st.numbers, [](int) {}), on_get(st.parcels, [](parcel&&) {}), on_put(full, 2));
        others.fetch_add(1);
      } catch (concur::closed const&) {
        ends.fetch_add(1);
      }
    });
    crowd.add([&] {
      st.close();
      full.close();
    });
    crowd.run();
    REQUIRE(ends.load() == 2);
    REQUIRE(others.load() == 0);
  }
}

TEST_CASE("select: of several that are ready, every one is served", "[select]") {
  constexpr int times = 3'000;
  queue<int> queues[3] = {queue<int>(1), queue<int>(1), queue<int>(1)};
  int served[3] = {};
  auto const handler = [&](int which) {
    ++served[which];
    queues[which].put(which);
  };
  for (int i = 0; i < 3; ++i) queues[i].put(i);
  for (int i = 0; i < times; ++i) {
    concur::select(on_get(queues[0], handler), on_get(queues[1], handler), on_get(queues[2], handler));
  }
  for (int each : served) CHECK(each > times / 6);

  // In step with another select, too: a count that goes round would begin with the same ones each time.
  std::fill(std::begin(served), std::end(served), 0);
  queue<int> log(times);
  for (int i = 0; i < times; ++i) {
    CHECK(concur::select(on_get(queues[0], handler), on_get(queues[1], handler)) < 2);
    concur::select(on_get(queues[2], handler), on_put(log, 1));
  }
  CHECK(served[0] > times / 6);
  CHECK(served[1] > times / 6);
  CHECK(served[2] > times / 6);
  CHECK(log.size() > times / 6);
}

TEST_CASE("select: time limits of every kind, in vain and in time", "[select]") {
  queue<int> q(1), other(1), full(1);
  full.put(1);
  auto const nothing = [](int) {};
  auto const try_for = [&](auto const& length) {
    return try_select_for(length, on_get(other, nothing), on_get(q, nothing), on_put(full, 2)).has_value();
  };
  auto const try_until = [&](auto const& moment) {
    return try_select_until(moment, on_get(other, nothing), on_get(q, nothing), on_put(full, 2)).has_value();
  };
  support::check_limits_in_vain(try_for, try_until);
  support::check_limits_in_time(try_for, try_until, [] {}, [&q] { q.put(1); });
  q.put(1);
  support::check_limits_at_once(try_for, try_until, [&q] { q.put(1); });
  CHECK(q.size() == 1);
  CHECK(full.get() == 1);
}

TEST_CASE("select: a stop ends the wait and takes nothing", "[select]") {
  for (int round = 0; round < rounds(300); ++round) {
    two_queues st(1);
    queue<parcel> full(1);
    full.put(parcel(1));
    parcel mine(2);
    concur::os::stop_source source;
    std::optional<std::size_t> which = 7;
    std::thread waiting(
        [&] { which = concur::select(source.get_token(), st.number(), st.item(), on_put(full, std::move(mine))); });
    source.request_stop();
    waiting.join();
    REQUIRE_FALSE(which);
    REQUIRE(mine.value() == 2);
    REQUIRE(full.get().value() == 1);
  }
}

TEST_CASE("select: what comes with the limit or a stop is had", "[select]") {
  two_queues st;
  concur::os::stop_source source;
  fake_fiber limited([&] { st.parcels.put(parcel(1)); }, fake_fiber::limit_passes);
  CHECK(limited.run([&] { return try_select_for(1s, st.number(), st.item()); }) == 1);
  fake_fiber stopped([&] {
    st.numbers.put(2);
    source.request_stop();
  });
  CHECK(stopped.run([&] { return concur::select(source.get_token(), st.number(), st.item()); }) == 0);
  source = concur::os::stop_source();
  fake_fiber stopped_before([&] {
    source.request_stop();
    st.parcels.put(parcel(3));
  });
  CHECK(stopped_before.run([&] { return concur::select(source.get_token(), st.number(), st.item()); }) == 1);
  CHECK(st.got == std::vector<int>{1, 2, 3});
}

TEST_CASE("select: nobody allocates to wait", "[select]") {
  queue<int> first(1), second(1);
  int got = 0;
  auto const handler = [&got](int value) { got += value; };
  fake_fiber fiber([&] { second.put(3); });
  support::failing_new const shortage(1);
  fiber.run([&] { return concur::select(on_get(first, handler), on_get(second, handler)); });
  CHECK(got == 3);
  CHECK(fiber.parks() == 1);
  CHECK_FALSE(shortage.happened());
}

TEST_CASE("select: the handler may use the queues, and select again", "[select]") {
  queue<int> first(1), second(1);
  std::vector<int> got;
  auto const get_second = on_get(second, [&](int value) { got.push_back(value); });
  auto const get_first = on_get(first, [&](int value) {
    got.push_back(value);
    first.put(value + 1);
    concur::select(get_second);
  });
  second.put(5);
  first.put(1);
  CHECK(concur::select(get_first) == 0);
  CHECK(got == std::vector<int>{1, 5});
  CHECK(first.get() == 2);
}

TEST_CASE("select: what a handler throws comes out, after the thing was done", "[select]") {
  two_queues st;
  auto const failing = on_get(st.numbers, [](int value) { throw std::runtime_error(std::to_string(value)); });
  queue<int> out(1);
  st.numbers.put(4);
  CHECK_THROWS_WITH(concur::select(failing, st.item()), "4");
  CHECK(st.numbers.empty());
  CHECK_THROWS_WITH(concur::select(on_put(out, 5, [] { throw std::runtime_error("put"); })), "put");
  CHECK(out.get() == 5);
  st.numbers.put(6);
  CHECK_THROWS_WITH(try_select_for(1s, failing), "6");
  st.parcels.put(parcel(7));
  CHECK(concur::select(failing, st.item()) == 1);
}

namespace {

struct failed {};

// Its move throws when it is told so, and it is as it was then.
class moody {
 public:
  explicit moody(int value) : value_(value) {}
  moody(moody&& other) : value_(other.value_) {
    if (throws) throw failed();
    other.value_ = -1;
  }
  int value() const { return value_; }
  static inline bool throws = false;

 private:
  int value_;
};

}  // namespace

TEST_CASE("select: an element whose move throws stays where it was", "[select]") {
  queue<moody> in(1), out(1);
  queue<int> other(1);
  std::vector<int> got;
  auto const get = on_get(in, [&got](moody&& item) { got.push_back(item.value()); });
  auto const number = on_get(other, [&got](int value) { got.push_back(value); });
  moody mine(2);
  in.put(moody(1));
  moody::throws = true;
  CHECK_THROWS_AS(concur::select(get, number), failed);
  CHECK_THROWS_AS(try_select(number, on_put(out, std::move(mine))), failed);
  moody::throws = false;
  CHECK(mine.value() == 2);
  CHECK(out.empty());
  CHECK(concur::select(get, number) == 0);
}

namespace {

template <class T>
test_task<> get_one(queue<T>& from, int& got) {
  T const item = co_await from.async_get();
  static_cast<void>(item);
  ++got;
}

}  // namespace

// The one that selects stands first in all lists, so that it gets every hint.
TEST_CASE("select: who is told of two elements tells the next in line of the other", "[select]") {
  queue<int> first(1), second(1);
  queue_executor here;
  int selected = 0, got = 0;
  auto const count = [&selected](int) { ++selected; };
  std::vector<std::unique_ptr<root_task<void>>> others;
  fake_fiber fiber([&] {
    others.push_back(spawn(here, get_one(first, got)));
    others.push_back(spawn(here, get_one(second, got)));
    here.run_all();
    first.put(1);
    second.put(2);
    here.run_all();
    CHECK(got == 0);
  });
  auto const which = fiber.run([&] { return concur::select(on_get(first, count), on_get(second, count)); });
  here.run_all();
  CHECK(selected == 1);
  CHECK(got == 1);
  CHECK(others[1 - which]->done());
  CHECK_FALSE(others[which]->done());
  first.close();
  second.close();
  here.run_all();
  CHECK(others[which]->failed());
}

TEST_CASE("select: who is told of an element and cannot take it tells the next in line", "[select]") {
  queue<moody> in(1);
  queue<int> other(1);
  queue_executor here;
  int got = 0;
  std::unique_ptr<root_task<void>> next;
  fake_fiber fiber([&] {
    next = spawn(here, get_one(in, got));
    here.run_all();
    in.put(moody(3));
    moody::throws = true;
  });
  auto const select_one = [&] { return concur::select(on_get(other, [](int) {}), on_get(in, [](moody&&) {})); };
  CHECK_THROWS_AS(fiber.run(select_one), failed);
  moody::throws = false;
  here.run_all();
  CHECK(next->done());
  CHECK(got == 1);
}

TEST_CASE("select: who was told in vain and gives up stands in nobody's way", "[select]") {
  queue<int> first(1), second(1);
  queue_executor here;
  int selected = 0, got = 0;
  auto const count = [&selected](int) { ++selected; };
  // A thief takes what it was told of; so it finds nothing, waits again, gives up, and leaves no hint behind.
  bool robbed_once = false;
  fake_fiber robbed([&] {
    if (std::exchange(robbed_once, true)) return;
    first.put(1);
    CHECK(first.try_get() == 1);
  });
  CHECK_FALSE(robbed.run([&] { return try_select_for(1s, on_get(first, count), on_get(second, count)); }));
  auto const next = spawn(here, get_one(first, got));
  here.run_all();
  first.put(2);
  here.run_all();
  CHECK(next->done());
  CHECK(robbed.parks() == 2);
  CHECK(got == 1);
  CHECK(selected == 0);
}

TEST_CASE("select: a hint in vain is followed by another wait, at the same place", "[select]") {
  queue<int> first(1), second(1);
  int selected = 0, rounds_left = 3;
  auto const count = [&selected](int) { ++selected; };
  fake_fiber fiber([&] {
    first.put(1);
    if (--rounds_left != 0) CHECK(first.try_get() == 1);
  });
  CHECK(fiber.run([&] { return concur::select(on_get(second, count), on_get(first, count)); }) == 1);
  CHECK(fiber.parks() == 3);
  CHECK(selected == 1);
}

namespace {

test_task<> select_three(two_queues& st, std::vector<std::size_t>& which) {
  auto const number = st.number();
  auto const item = st.item();
  for (int i = 0; i < 3; ++i) which.push_back(co_await async_select(number, item));
}

test_task<> select_in_one_line(queue<int>& first, queue<int>& second, int& got) {
  int sum = 0;
  std::size_t const which = co_await async_select(on_get(first, [&sum](int value) { sum += value; }),
                                                  on_get(second, [&sum](int value) { sum -= value; }));
  got = sum + 100 * int(which);
}

// The handlers own something, so they are named: GCC 12 would destroy it twice.
test_task<> select_with_owning_handlers(queue<int>& first, queue<int>& out, std::shared_ptr<int> sum) {
  auto const get = on_get(first, [sum](int value) { *sum += value; });
  int const sent = 4;
  for (int i = 0; i < 2; ++i) {
    auto put = on_put(out, sent, [sum] { *sum += 1000; });
    std::size_t const which = co_await async_select(get, std::move(put));
    *sum += int(which) * 100;
  }
}

test_task<> select_until_closed(two_queues& st) {
  auto const number = st.number();
  auto const item = st.item();
  for (;;) co_await async_select(number, item);
}

}  // namespace

TEST_CASE("select: a task waits, takes, and says which", "[select]") {
  two_queues st;
  queue_executor here;
  std::vector<std::size_t> which;
  auto const root = spawn(here, select_three(st, which));
  here.run_all();
  CHECK(which.empty());
  st.parcels.put(parcel(5));
  here.run_all();
  CHECK(which == std::vector<std::size_t>{1});
  st.numbers.put(6);
  here.run_all();
  st.numbers.put(7);
  here.run_all();
  REQUIRE(root->done());
  CHECK(which == std::vector<std::size_t>{1, 0, 0});
  CHECK(st.got == std::vector<int>{5, 6, 7});

  queue<int> first(1), second(1);
  int got = 0;
  auto const in_one_line = spawn(here, select_in_one_line(first, second, got));
  here.run_all();
  second.put(3);
  here.run_all();
  CHECK(in_one_line->done());
  CHECK(got == 97);
}

TEST_CASE("select: a task's handlers may own things", "[select]") {
  queue<int> first(1), out(1);
  queue_executor here;
  auto const sum = std::make_shared<int>(0);
  {
    auto const root = spawn(here, select_with_owning_handlers(first, out, sum));
    here.run_all();
    CHECK(*sum == 1100);
    first.put(7);
    here.run_all();
    REQUIRE(root->done());
    CHECK_FALSE(root->error());
    CHECK(*sum == 1107);
    CHECK(out.get() == 4);
  }
  CHECK(sum.use_count() == 1);
}

TEST_CASE("select: a loop of a task has everything, and ends when all are closed", "[select]") {
  two_queues st;
  queue_executor here;
  auto const root = spawn(here, select_until_closed(st));
  here.run_all();
  st.numbers.put(1);
  st.numbers.close();
  here.run_all();
  CHECK_FALSE(root->done());
  st.parcels.put(parcel(2));
  st.parcels.close();
  here.run_all();
  REQUIRE(root->done());
  CHECK_THROWS_AS(std::rethrow_exception(root->error()), concur::closed);
  std::sort(st.got.begin(), st.got.end());
  CHECK(st.got == std::vector<int>{1, 2});
}

// Before, while and between: whatever the moment, what went in comes out or is still inside.
TEST_CASE("select: a cancel loses nothing", "[select]") {
  support::at_every_cancel(7, [](support::cancel_moment const& moment) {
    {
      two_queues st(8);
      queue_executor here;
      std::vector<std::size_t> which;
      int put = 0;
      auto const root = spawn(here, select_three(st, which));
      moment.strike(here, *root, [&] {
        if (++put % 2 == 0) {
          st.numbers.put(put);
        } else {
          st.parcels.put(parcel(put));
        }
      });
      CHECK(root->was_cancelled() == (st.got.size() < 3));
      CHECK(st.got.size() + st.numbers.size() + st.parcels.size() == std::size_t(put));
      CHECK(st.got.size() == which.size());
    }
    CHECK(parcel::alive() == 0);
  });
}

namespace {

test_task<> put_and_be_cancelled(queue<parcel>& first, queue<parcel>& second, int& refused) {
  parcel a(1), b(2);
  try {
    co_await async_select(on_put(first, std::move(a)), on_put(second, std::move(b)));
  } catch (concur::cancelled const&) {
    refused = a.value() * 10 + b.value();
    throw;
  }
  refused = a.value() * 10 + b.value();
}

test_task<> select_and_be_cancelled(two_queues& st) {
  auto const number = st.number();
  auto const item = st.item();
  auto const make = [&] { return async_select(number, item); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("select: a cancel beside room puts one element or none", "[select]") {
  for (bool room : {false, true}) {
    queue<parcel> first(1), second(1);
    first.put(parcel(8));
    second.put(parcel(9));
    queue_executor here;
    int kept = 0;
    auto const root = spawn(here, put_and_be_cancelled(first, second, kept));
    here.run_all();
    if (room) CHECK(second.get().value() == 9);
    root->cancel();
    here.run_all();
    REQUIRE(root->done());
    CHECK(root->was_cancelled() == !room);
    CHECK(kept == (room ? 9 : 12));
    CHECK(second.get().value() == (room ? 2 : 9));
  }
  CHECK(parcel::alive() == 0);
}

TEST_CASE("select: a task cancelled before it stands in the lists, or before it tries", "[select]") {
  two_queues st;
  queue_executor here;
  auto const refused = spawn(here, select_and_be_cancelled(st));
  here.run_all();
  REQUIRE(refused->done());
  CHECK(refused->was_cancelled());
  st.numbers.put(1);
  std::vector<std::size_t> which;
  auto const root = spawn(here, select_three(st, which));
  root->cancel();
  here.run_all();
  CHECK(root->was_cancelled());
  CHECK(st.numbers.get() == 1);
  CHECK(st.got.empty());
}

// It may still take what comes after the cancel and before it runs. What it does not take is the next one's.
TEST_CASE("select: a cancelled task stands in nobody's way", "[select]") {
  two_queues st;
  queue_executor here;
  int got = 0;
  auto const first = spawn(here, select_until_closed(st));
  auto const second = spawn(here, get_one(st.numbers, got));
  here.run_all();
  first->cancel();
  st.numbers.put(1);
  here.run_all();
  CHECK(first->was_cancelled());
  CHECK(got + int(st.got.size()) == 1);
  st.numbers.put(2);
  here.run_all();
  CHECK(second->done());
  CHECK(got == 1);
}

namespace {

test_task<> select_and_fail(queue<int>& first, queue<moody>& second, std::string& what) {
  auto const failing = on_get(first, [](int value) { throw std::runtime_error(std::to_string(value)); });
  auto const item = on_get(second, [](moody&&) {});
  for (int i = 0; i < 2; ++i) {
    try {
      co_await async_select(failing, item);
    } catch (std::runtime_error const& error) {
      what += error.what();
    } catch (failed const&) {
      what += "failed";
    }
  }
}

}  // namespace

TEST_CASE("select: what a handler or an element throws comes out of the await", "[select]") {
  for (bool waits : {false, true}) {
    queue<int> first(1);
    queue<moody> second(1);
    queue_executor here;
    std::string what;
    if (!waits) first.put(4);
    auto const root = spawn(here, select_and_fail(first, second, what));
    here.run_all();
    if (waits) first.put(4);
    here.run_all();
    CHECK(what == "4");
    second.put(moody(5));
    moody::throws = true;
    here.run_all();
    moody::throws = false;
    CHECK(root->done());
    CHECK(what == "4failed");
    CHECK(second.get().value() == 5);
  }
}

namespace {

support::foreign_coroutine select_foreign(two_queues& st, std::vector<std::size_t>& which) {
  auto const number = st.number();
  auto const item = st.item();
  for (int i = 0; i < 2; ++i) which.push_back(co_await async_select(number, item));
}

}  // namespace

TEST_CASE("select: a coroutine of a foreign type waits", "[select]") {
  two_queues st;
  queue_executor here;
  std::vector<std::size_t> which;
  concur::executor_scope const this_thread(here);
  st.numbers.put(1);
  auto const coroutine = select_foreign(st, which);
  CHECK(which.size() == 1);
  st.parcels.put(parcel(2));
  here.run_all();
  REQUIRE(coroutine.done());
  coroutine.rethrow_error();
  CHECK(which == std::vector<std::size_t>{0, 1});
  CHECK(st.got == std::vector<int>{1, 2});
}

namespace {

// Three queues of different kinds, and what came out of them: each number once.
struct three_queues {
  explicit three_queues(int count) : times(std::size_t(count)) {}

  void saw(int number) { times[std::size_t(number)].fetch_add(1, std::memory_order_relaxed); }
  auto from_first() {
    return on_get(first, [this](parcel&& item) { saw(parcel(std::move(item)).value()); });
  }
  auto from_second() {
    return on_get(second, [this](parcel&& item) { saw(parcel(std::move(item)).value()); });
  }
  auto from_third() {
    return on_get(third, [this](parcel&& item) { saw(parcel(std::move(item)).value()); });
  }
  void close() {
    first.close();
    second.close();
    third.close();
  }

  queue<parcel> first{2};
  lifo_queue<parcel> second{2};
  priority_queue<parcel> third{2};
  std::vector<std::atomic<unsigned char>> times;
};

test_task<> select_all(three_queues& st) {
  auto const first = st.from_first();
  auto const second = st.from_second();
  auto const third = st.from_third();
  try {
    for (;;) co_await async_select(third, second, first);
  } catch (concur::closed const&) {
  }
}

test_task<> put_anywhere(three_queues& st, int from, int count) {
  for (int i = 0; i < count; ++i) {
    parcel mine(from + i);
    co_await async_select(on_put(st.first, std::move(mine)), on_put(st.second, std::move(mine)),
                          on_put(st.third, std::move(mine)));
  }
}

test_task<> select_some(three_queues& st, int& done) {
  auto const first = st.from_first();
  auto const third = st.from_third();
  for (;;) {
    co_await async_select(first, third);
    ++done;
  }
}

void every_form_in_one_hammer(bool stormy) {
  {
    support::weather const sky(stormy);
    int const each = rounds(6'000);
    constexpr int producers = 6;
    three_queues st(producers * each);
    std::atomic<int> left{producers};
    auto const end_of_producer = [&] {
      if (left.fetch_sub(1) == 1) st.close();
    };
    auto const until_closed = [](auto body) {
      try {
        for (;;) body();
      } catch (concur::closed const&) {
      }
    };
    threads_executor pool(2);
    queue_executor here(support::ready_order::shuffled);
    auto const putting = spawn(pool, put_anywhere(st, 0, each));
    auto const getting = spawn(pool, select_all(st));
    auto const getting_here = spawn(here, select_all(st));
    hammer crowd;
    crowd.add([&] { here.run_until([&] { return getting_here->done(); }); });
    crowd.add([&] {
      putting->wait_until_done();
      end_of_producer();
    });
    crowd.add([&] {
      for (int i = 0; i < each; ++i) st.first.put(parcel(1 * each + i));
      end_of_producer();
    });
    crowd.add([&] {
      for (int i = 0; i < each; ++i) st.second.put(parcel(2 * each + i));
      end_of_producer();
    });
    crowd.add([&] {
      for (int i = 0; i < each; ++i) st.third.put(parcel(3 * each + i));
      end_of_producer();
    });
    crowd.add([&] {
      for (int i = 0; i < each; ++i) {
        parcel mine(4 * each + i);
        concur::select(on_put(st.third, std::move(mine)), on_put(st.first, std::move(mine)));
      }
      end_of_producer();
    });
    crowd.add([&] {
      for (int i = 0; i < each; ++i) {
        parcel mine(5 * each + i);
        while (!try_select_for(std::chrono::microseconds(i % 40), on_put(st.first, std::move(mine)),
                               on_put(st.second, std::move(mine)))) {
        }
      }
      end_of_producer();
    });
    crowd.add([&] { until_closed([&] { concur::select(st.from_first(), st.from_second(), st.from_third()); }); });
    crowd.add([&] {
      until_closed([&] {
        if (!try_select_for(5us, st.from_third(), st.from_first())) std::this_thread::yield();
      });
    });
    crowd.add([&] {
      until_closed([&] {
        concur::os::stop_source source;
        static_cast<void>(concur::select(source.get_token(), st.from_second(), st.from_third()));
      });
    });
    crowd.add([&] {
      until_closed([&] {
        if (!try_select(st.from_second(), st.from_first())) std::this_thread::yield();
      });
    });
    crowd.add([&] {
      // Tasks that are cancelled after a while.
      for (bool ended = false; !ended;) {
        int done = 0;
        auto const root = spawn(pool, select_some(st, done));
        std::this_thread::yield();
        root->cancel();
        root->wait_until_done();
        ended = !root->was_cancelled();
      }
    });
    crowd.add([&] { until_closed([&] { st.saw(st.second.get().value()); }); });
    crowd.run();
    getting->wait_until_done();
    CHECK_FALSE(putting->error());
    CHECK_FALSE(getting->error());
    CHECK_FALSE(getting_here->error());
    CHECK(std::all_of(st.times.begin(), st.times.end(), [](auto const& times) { return times.load() == 1; }));
  }
  CHECK(parcel::alive() == 0);
}

}  // namespace

TEST_CASE("select: every form beside every other, each element once", "[select]") { every_form_in_one_hammer(false); }
TEST_CASE("select: the same under a storm of signals", "[select]") { every_form_in_one_hammer(true); }
