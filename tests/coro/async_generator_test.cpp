// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/async_generator.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/mutex.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <atomic>
#include <concepts>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::async_generator;
using concur::event;
using concur::spawn;
using concur::task;
using concur::yield;
using support::queue_executor;
using support::threads_executor;

static_assert(sizeof(async_generator<int>) == sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<async_generator<int>>);
static_assert(!std::is_copy_constructible_v<async_generator<int>>);
static_assert(std::same_as<async_generator<int>::result, std::optional<int>>);
static_assert(std::same_as<async_generator<int&>::result, int*>);
static_assert(std::same_as<async_generator<int const&>::result, int const*>);

/// Counts those that live.
class counted {
 public:
  explicit counted(int& live) : live_(&live) { ++live; }
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() { --*live_; }

 private:
  int* live_;
};

template <class T>
T run(task<T> body) {
  queue_executor here;
  auto result = spawn(here, std::move(body));
  here.run_until([&] { return result.done(); });
  return result.get();
}

async_generator<int> count(int from, int to) {
  for (int i = from; i < to; ++i) co_yield i;
}

async_generator<int> count_slowly(int from, int to) {
  for (int i = from; i < to; ++i) {
    co_await yield();
    co_yield i;
    co_await yield();
  }
}

task<std::vector<int>> all_of(async_generator<int> numbers) {
  std::vector<int> all;
  while (auto const n = co_await numbers.next()) all.push_back(*n);
  co_return all;
}

}  // namespace

TEST_CASE("values come in order, whether the body waits or not", "[async_generator]") {
  CHECK(run(all_of(count(1, 5))) == std::vector{1, 2, 3, 4});
  CHECK(run(all_of(count_slowly(1, 5))) == std::vector{1, 2, 3, 4});
  CHECK(run(all_of(count(5, 5))).empty());
  CHECK(run(all_of(count_slowly(5, 5))).empty());
}

TEST_CASE("nothing runs before the first next, and only as far as to the next value", "[async_generator]") {
  static auto const body = [](std::vector<std::string>& seen) -> async_generator<int> {
    seen.emplace_back("begins");
    co_yield 1;
    seen.emplace_back("goes on");
    co_yield 2;
    seen.emplace_back("ends");
  };
  static auto const consumer = [](std::vector<std::string>& seen) -> task<> {
    auto numbers = body(seen);
    seen.emplace_back("made");
    while (auto const n = co_await numbers.next()) seen.push_back(std::to_string(*n));
    seen.emplace_back("over");
  };
  std::vector<std::string> seen;
  run(consumer(seen));
  CHECK(seen == std::vector<std::string>{"made", "begins", "1", "goes on", "2", "ends", "over"});
}

TEST_CASE("after the end it gives nothing for ever, also to other tasks", "[async_generator]") {
  static auto const ask = [](async_generator<int>& numbers) -> task<std::optional<int>> {
    auto answer = co_await numbers.next();
    co_return answer;
  };
  queue_executor here;
  auto numbers = count(1, 3);
  std::vector<std::optional<int>> answers;
  for (int i = 0; i < 5; ++i) {  // each time a new task; that of the time before is gone
    auto one = spawn(here, ask(numbers));
    here.run_all();
    answers.push_back(one.get());
  }
  CHECK(answers == std::vector<std::optional<int>>{1, 2, {}, {}, {}});
}

TEST_CASE("lvalues are copied, temporaries and what is moved are moved", "[async_generator]") {
  static auto const words = [](std::vector<std::string>& kept) -> async_generator<std::string> {
    std::string const constant = "a constant that is longer than a small string";
    std::string variable = "a variable that is longer than a small string";
    co_yield constant;
    kept.push_back(constant);
    co_yield variable;
    kept.push_back(variable);
    co_yield std::move(variable);
    kept.push_back(variable);
    co_yield "a literal";
    co_yield std::string(3, 'x');
  };
  static auto const consumer = [](std::vector<std::string>& kept) -> task<std::vector<std::string>> {
    std::vector<std::string> all;
    auto text = words(kept);
    while (auto word = co_await text.next()) all.push_back(std::move(*word));
    co_return all;
  };
  std::vector<std::string> kept;
  CHECK(run(consumer(kept)) == std::vector<std::string>{"a constant that is longer than a small string",
                                                        "a variable that is longer than a small string",
                                                        "a variable that is longer than a small string", "a literal",
                                                        "xxx"});
  CHECK(kept == std::vector<std::string>{"a constant that is longer than a small string",
                                         "a variable that is longer than a small string", ""});
}

TEST_CASE("aggregates that own something are yielded whole", "[async_generator]") {
  struct item {
    std::string name;
    std::shared_ptr<int> owner;
  };
  static auto const items = [](std::shared_ptr<int> owner) -> async_generator<item> {
    item named{"named", owner};
    co_yield named;
    co_yield std::move(named);
    item last{"last", std::move(owner)};
    co_await yield();
    co_yield std::move(last);
  };
  static auto const consumer = [](std::shared_ptr<int> const& owner) -> task<std::string> {
    std::string names;
    auto all = items(owner);
    while (auto const each = co_await all.next()) names += each->name + (each->owner == owner ? " " : "!");
    co_return names;
  };
  auto const owner = std::make_shared<int>(1);
  CHECK(run(consumer(owner)) == "named named last ");
  CHECK(owner.use_count() == 1);
}

TEST_CASE("references lead to what was yielded", "[async_generator]") {
  static auto const each = [](std::vector<int>& numbers) -> async_generator<int&> {
    for (int& n : numbers) {
      co_yield n;
      co_await yield();
    }
  };
  static auto const look = [](std::vector<int> const& numbers) -> async_generator<int const&> {
    for (int const& n : numbers) co_yield n;
  };
  static auto const consumer = [](std::vector<int>& numbers) -> task<bool> {
    bool same = true;
    auto all = each(numbers);
    for (std::size_t i = 0; int* const n = co_await all.next(); ++i) {
      same = same && n == &numbers[i];
      *n += 10;
    }
    auto again = look(numbers);
    for (std::size_t i = 0; int const* const n = co_await again.next(); ++i) same = same && n == &numbers[i];
    co_return same;
  };
  std::vector<int> numbers{1, 2, 3};
  CHECK(run(consumer(numbers)));
  CHECK(numbers == std::vector{11, 12, 13});
}

TEST_CASE("what can only be moved is handed over", "[async_generator]") {
  static auto const boxes = []() -> async_generator<std::unique_ptr<int>> {
    auto first = std::make_unique<int>(1);
    co_yield std::move(first);
    co_await yield();
    co_yield std::make_unique<int>(2);
  };
  static auto const consumer = []() -> task<int> {
    int sum = 0;
    auto all = boxes();
    while (auto const box = co_await all.next()) sum += **box;
    co_return sum;
  };
  CHECK(run(consumer()) == 3);
}

TEST_CASE("an error leaves next once, and is the end", "[async_generator]") {
  static auto const broken = [](bool waits, int& live) -> async_generator<int> {
    counted const local(live);
    co_yield 1;
    if (waits) co_await yield();
    throw std::runtime_error("broken");
  };
  static auto const consumer = [](bool waits, int& live) -> task<std::string> {
    std::string seen;
    auto numbers = broken(waits, live);
    for (int i = 0; i < 4; ++i) {
      try {
        auto const n = co_await numbers.next();
        seen += n ? std::to_string(*n) : "-";
      } catch (std::runtime_error const& error) {
        seen += error.what();
      }
      seen += live == 0 ? "." : " ";
    }
    co_return seen;
  };
  for (bool const waits : {false, true}) {
    int live = 0;
    CHECK(run(consumer(waits, live)) == "1 broken.-.-.");
  }
}

TEST_CASE("a copy that fails is thrown by the co_yield", "[async_generator]") {
  class fragile {
   public:
    fragile() = default;
    fragile(fragile const&) { throw std::runtime_error("copied"); }
    fragile(fragile&&) noexcept {}
  };
  static auto const body = []() -> async_generator<fragile> {
    fragile const one;
    bool thrown = false;
    try {
      co_yield one;
    } catch (std::runtime_error const&) {
      thrown = true;
    }
    if (thrown) co_yield fragile();
  };
  static auto const consumer = []() -> task<int> {
    int values = 0;
    auto all = body();
    while (auto const each = co_await all.next()) ++values;
    co_return values;
  };
  CHECK(run(consumer()) == 1);
}

TEST_CASE("destroyed half-way, the variables of the body are destroyed where it stands", "[async_generator]") {
  static auto const body = [](int& live) -> async_generator<int> {
    counted const first(live);
    co_yield 1;
    counted const second(live);
    co_await yield();
    co_yield 2;
    counted const third(live);
    co_yield 3;
  };
  static auto const consumer = [](int& live, int values) -> task<int> {
    int at_most = 0;
    {
      auto numbers = body(live);
      for (int i = 0; i < values; ++i) {
        co_await numbers.next();
        at_most = live;
      }
    }
    co_return at_most;
  };
  for (int values = 0; values <= 5; ++values) {
    int live = 0;
    CHECK(run(consumer(live, values)) == (values <= 3 ? values : 0));
    CHECK(live == 0);
  }
}

TEST_CASE("it can be moved between two calls of next, and assigned", "[async_generator]") {
  static auto const consumer = []() -> task<std::vector<int>> {
    std::vector<int> seen;
    auto first = count(1, 9);
    seen.push_back(*co_await first.next());
    auto second = std::move(first);
    seen.push_back(*co_await second.next());
    first = count(100, 101);
    swap(first, second);
    seen.push_back(*co_await first.next());
    seen.push_back(*co_await second.next());
    second = std::move(first);
    seen.push_back(*co_await second.next());
    co_return seen;
  };
  CHECK(run(consumer()) == std::vector{1, 2, 3, 100, 4});
}

TEST_CASE("the body may await generators, which share the task", "[async_generator]") {
  static auto const twice = [](async_generator<int> inner) -> async_generator<int> {
    while (auto const n = co_await inner.next()) {
      co_yield *n;
      co_yield *n;
    }
  };
  CHECK(run(all_of(twice(twice(count_slowly(1, 3))))) == std::vector{1, 1, 1, 1, 2, 2, 2, 2});
  CHECK(run(all_of(twice(twice(count(1, 3))))) == std::vector{1, 1, 1, 1, 2, 2, 2, 2});
}

namespace {

task<long> sum_of(async_generator<int> numbers) {
  long sum = 0;
  while (auto const n = co_await numbers.next()) sum += *n;
  co_return sum;
}

task<int> id(int n) {
  int const same = n;
  co_return same;
}

async_generator<int> through_tasks(int to) {
  for (int i = 0; i < to; ++i) {
    int const n = co_await id(i);
    co_yield n;
  }
}

// Each asks the next one, which has to be started before it can answer.
async_generator<int> nested(int depth) {
  if (depth == 0) {
    co_yield 1;
    co_await yield();
    co_yield 2;
    co_return;
  }
  auto inner = nested(depth - 1);
  while (auto const n = co_await inner.next()) co_yield *n;
}

// Destroys from the inside what is nested, since destructors nest as well.
task<> drain(async_generator<int> numbers, std::vector<int>& seen) {
  while (auto const n = co_await numbers.next()) seen.push_back(*n);
}

}  // namespace

TEST_CASE("ten million values in a row need no stack", "[async_generator][one_item]") {
  int const many = support::rounds(10'000'000);
  CHECK(run(sum_of(count(0, many))) == long(many) * (many - 1) / 2);
  int const some = support::rounds(300'000);
  CHECK(run(sum_of(through_tasks(some))) == long(some) * (some - 1) / 2);
  CHECK(run(sum_of(count_slowly(0, some))) == long(some) * (some - 1) / 2);
}

TEST_CASE("generators that are nested deeper than the stack budget run to their ends", "[async_generator][one_item]") {
  std::vector<int> seen;
  run(drain(nested(3'000), seen));
  CHECK(seen == std::vector{1, 2});
}

// Before each of its waits the consumer's task is cancelled in turn, from k = 0 on, until it is no more.
TEST_CASE("a cancel ends the wait inside next, wherever it is", "[async_generator]") {
  static auto const body = [](int& live) -> async_generator<int> {
    counted const local(live);
    for (int i = 0; i < 3; ++i) {
      co_await yield();
      co_yield i;
      int const same = co_await id(i);
      co_await concur::sleep_for(std::chrono::microseconds(same));
    }
  };
  struct record {
    int values = 0;
    int live = 0;
    bool cancelled = false;
    bool ended = false;
  };
  static auto const consumer = [](record& seen) -> task<> {
    auto numbers = body(seen.live);
    try {
      while (auto const n = co_await numbers.next()) ++seen.values;
    } catch (concur::cancelled const&) {
      seen.cancelled = true;
    }
    if (seen.live == 0) seen.ended = !co_await numbers.next();
    if (seen.cancelled) throw concur::cancelled();
  };
  bool whole = false;
  for (int k = 0; !whole; ++k) {
    queue_executor here;
    record seen;
    auto all = spawn(here, consumer(seen));
    int steps = 0;
    while (!all.done() && steps < k) steps += here.run_ready() != 0;
    whole = all.done();
    if (!whole) CHECK(all.cancel());
    here.run_until([&] { return all.done(); });
    here.run_all();  // one that was cancelled before it began is done before that
    CHECK(seen.live == 0);
    CHECK(seen.values <= 3);
    if (whole) {
      CHECK(seen.values == 3);
      CHECK_NOTHROW(all.get());
    } else {
      CHECK_THROWS_AS(all.get(), concur::cancelled);
    }
    if (whole || k > 0) CHECK(seen.ended);
    CHECK(seen.cancelled == (!whole && k > 0));
    REQUIRE(k < 100);
  }
}

TEST_CASE("a body may survive a cancel and give what it has", "[async_generator]") {
  static auto const body = [](event& never) -> async_generator<std::string> {
    bool stopped = false;
    try {
      co_await never.async_wait();
    } catch (concur::cancelled const&) {
      stopped = true;
    }
    if (stopped) co_yield "the rest";
  };
  static auto const consumer = [](event& never) -> task<std::string> {
    auto all = body(never);
    auto const last = co_await all.next();
    co_return last.value_or("nothing");
  };
  event never;
  queue_executor here;
  auto result = spawn(here, consumer(never));
  here.run_all();
  result.cancel();
  here.run_all();
  CHECK(result.get() == "the rest");
}

TEST_CASE("when memory runs out at any point nothing is lost or left", "[async_generator]") {
  if (!support::failing_new::available()) return;
  static auto const body = [](int& live) -> async_generator<std::string> {
    counted const local(live);
    std::string const text = "longer than what fits into a small string object";
    co_yield text;
    co_await yield();
    co_yield text + text;
  };
  static auto const consumer = [](int& live) -> task<std::size_t> {
    std::size_t size = 0;
    auto all = body(live);
    while (auto const each = co_await all.next()) size += each->size();
    co_return size;
  };
  bool whole = false;
  for (int k = 1; !whole; ++k) {
    int live = 0;
    bool failed = false;
    std::size_t size = 0;
    {
      queue_executor here;
      support::failing_new const shortage(k);
      try {
        auto result = spawn(here, consumer(live));
        here.run_all();
        size = result.get();
      } catch (std::bad_alloc const&) {
        failed = true;
      }
      whole = !shortage.happened();
    }
    CHECK(live == 0);
    CHECK(failed == !whole);
    CHECK(size == (whole ? 3 * 48u : 0u));
    REQUIRE(k < 100);
  }
}

TEST_CASE("a body that moves goes back to the consumer's executor for each value", "[async_generator]") {
  static auto const body = [](queue_executor& other, std::vector<concur::executor*>& seen) -> async_generator<int> {
    for (int i = 0; i < 3; ++i) {
      seen.push_back(concur::current_executor());
      co_await concur::hop_to(other);
      seen.push_back(concur::current_executor());
      co_yield i;
    }
    co_await concur::hop_to(other);
  };
  static auto const consumer = [](queue_executor& other, std::vector<concur::executor*>& in_body,
                                  std::vector<concur::executor*>& in_consumer) -> task<> {
    auto numbers = body(other, in_body);
    while (auto const n = co_await numbers.next()) in_consumer.push_back(concur::current_executor());
    in_consumer.push_back(concur::current_executor());
  };
  queue_executor here, other;
  std::vector<concur::executor*> in_body, in_consumer;
  auto result = spawn(here, consumer(other, in_body, in_consumer));
  while (!result.done()) {
    here.run_all();
    other.run_all();
  }
  CHECK(in_body == std::vector<concur::executor*>{&here, &other, &here, &other, &here, &other});
  CHECK(in_consumer == std::vector<concur::executor*>(4, &here));
}

TEST_CASE("a body that moves works beside threads", "[async_generator]") {
  static auto const body = [](threads_executor& pool, int to) -> async_generator<int> {
    for (int i = 0; i < to; ++i) {
      co_await concur::hop_to(pool);
      co_yield i;
    }
  };
  static auto const consumer = [](threads_executor& pool, int to) -> task<long> {
    long sum = 0;
    auto const here = std::this_thread::get_id();
    auto numbers = body(pool, to);
    while (auto const n = co_await numbers.next()) sum += std::this_thread::get_id() == here ? *n : -1'000'000;
    co_return sum;
  };
  int const many = support::rounds(2'000);
  threads_executor pool(2);
  CHECK(run(consumer(pool, many)) == long(many) * (many - 1) / 2);
}

// Two tasks on different threads, one after the other under a lock.
TEST_CASE("tasks of several threads may take turns", "[async_generator]") {
  static auto const consumer = [](async_generator<int>& numbers, concur::mutex& turn) -> task<long> {
    long sum = 0;
    for (bool more = true; more;) {
      auto const guard = co_await turn.async_lock();
      auto const n = co_await numbers.next();
      more = n.has_value();
      if (more) sum += *n;
    }
    co_return sum;
  };
  int const many = support::rounds(20'000);
  threads_executor pool(2);
  concur::mutex turn;
  auto numbers = count_slowly(0, many);
  auto first = spawn(pool, consumer(numbers, turn));
  auto second = spawn(pool, consumer(numbers, turn));
  CHECK(first.get() + second.get() == long(many) * (many - 1) / 2);
}

TEST_CASE("tasks of other promise types with a context may ask, too", "[async_generator]") {
  static auto const consumer = []() -> support::test_task<long> {
    long sum = 0;
    auto numbers = count_slowly(1, 4);
    while (auto const n = co_await numbers.next()) sum += *n;
    co_return sum;
  };
  queue_executor here;
  auto const root = support::spawn(here, consumer());
  here.run_all();
  CHECK(root->result() == 6);
}

#if CONCUR_CHECKED
namespace {
struct reported {};
}  // namespace

TEST_CASE("next beside a next that waits is reported", "[async_generator][in_order]") {
  static auto const body = [](event& go) -> async_generator<int> {
    co_await go.async_wait();
    co_yield 1;
  };
  static auto const consumer = [](async_generator<int>& numbers) -> task<int> {
    auto const n = co_await numbers.next();
    co_return n.value_or(0);
  };
  auto const before = concur::set_misuse_handler([](concur::misuse_report const&) { throw reported(); });
  {
    event go;
    queue_executor here;
    auto numbers = body(go);
    auto first = spawn(here, consumer(numbers));
    auto second = spawn(here, consumer(numbers));
    here.run_all();
    CHECK_THROWS_AS(second.get(), reported);
    go.set();
    here.run_all();
    CHECK(first.get() == 1);
    auto const moved = std::move(numbers);
    auto third = spawn(here, consumer(numbers));
    here.run_all();
    CHECK_THROWS_AS(third.get(), reported);
  }
  concur::set_misuse_handler(before);
}
#endif
