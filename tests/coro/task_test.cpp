// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/task.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>

#include "../support/test_task.hpp"
#include "coro_support.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::future;
using concur::hop_to;
using concur::spawn;
using concur::task;
using support::hand_loop;
using support::noting;
using support::slow_build;
using support::value_of;

static_assert(!std::is_copy_constructible_v<task<int>> && std::is_nothrow_move_constructible_v<task<int>>);
static_assert(!std::is_copy_constructible_v<task<int>::awaiter> && !std::is_move_constructible_v<task<int>::awaiter>);
static_assert(sizeof(task<std::string>) == sizeof(void*));

// Every child ends once at once and once after it has suspended.
template <class T>
task<T> give(T value, bool suspends) {
  int const nothing = 0;
  static_cast<void>(nothing);
  if (suspends) co_await concur::yield();
  co_return std::move(value);
}

struct stubborn {
  explicit stubborn(int n) noexcept : number(n) {}
  stubborn(stubborn&& other) noexcept : number(std::exchange(other.number, -1)) {}
  stubborn& operator=(stubborn&&) = delete;
  stubborn* operator&() = delete;  // NOLINT: on purpose
  int number;
};

struct throws_when_moved {
  explicit throws_when_moved(int n) noexcept : left(n) {}
  throws_when_moved(throws_when_moved&& other) : left(other.left - 1) {
    if (left == 0) throw std::runtime_error("no more moves");
  }
  throws_when_moved& operator=(throws_when_moved&&) = delete;
  int left;
};

task<int> sum_of_values(bool suspends) {
  int sum = co_await give(1, suspends);
  std::unique_ptr<int> const owned = co_await give(std::make_unique<int>(10), suspends);
  sum += *owned;
  stubborn const hard = co_await give(stubborn(100), suspends);
  sum += hard.number;
  std::string const text = co_await give(std::string(50, 'x'), suspends);
  sum += int(text.size()) * 20;
  std::optional<std::vector<int>> made(std::in_place, 3u, 10'000);
  std::optional<std::vector<int>> const many = co_await give(std::move(made), suspends);
  co_return sum + many->front();
}

task<int&> refer(int& to, bool suspends) {
  int const nothing = 0;
  static_cast<void>(nothing);
  if (suspends) co_await concur::yield();
  co_return to;
}
task<int const&> refer_to_constant(int const& to) { co_return to; }

task<> change(int& value, bool suspends) {
  int& first = co_await refer(value, suspends);
  first += 1;
  static_assert(std::is_same_v<decltype(refer(value, suspends).operator co_await().await_resume()), int&>);
  int const& second = co_await refer_to_constant(value);
  value += &second == &value ? 10 : 0;
}

task<std::pair<int, std::string>> braced() { co_return {3, "three"}; }
task<std::string const> constant() { co_return "constant"; }

// Lies in the frame, beside `Bytes` more, and across a suspension. The compiler must not know what it finds out.
template <std::size_t Bytes, std::size_t Alignment>
task<bool> is_aligned() {
  struct alignas(Alignment) local {
    float numbers[Alignment / sizeof(float)];
  } here{};
  std::array<std::byte, Bytes> more{};
  co_await concur::yield();
  more.back() = std::byte(here.numbers[0]);
  void* volatile hidden = &here;
  void* volatile beside = more.data();
  static_cast<void>(beside);
  co_return reinterpret_cast<std::uintptr_t>(hidden) % Alignment == 0 && more.back() == std::byte();
}

// Several at once, so that they have different blocks.
template <std::size_t Bytes>
bool all_are_aligned() {
  hand_loop loop;
  std::vector<future<bool>> running;
  for (int n = 0; n < 8; ++n) {
    running.push_back(spawn(loop, is_aligned<Bytes, 16>()));
    running.push_back(spawn(loop, is_aligned<Bytes, 8>()));
  }
  loop.run_all();
  return std::all_of(running.begin(), running.end(), [](auto& each) { return each.get(); });
}

}  // namespace

TEST_CASE("task: values of every kind arrive, whether the child suspends or not", "[task]") {
  bool const suspends = GENERATE(false, true);
  CHECK(value_of(sum_of_values(suspends)) == 11'111);
  int value = 0;
  value_of(change(value, suspends));
  CHECK(value == 11);
  CHECK(value_of(braced()) == std::pair<int, std::string>(3, "three"));
  auto const read = [](std::size_t& size) -> task<> {
    std::string const text = co_await constant();
    size = text.size();
  };
  std::size_t size = 0;
  value_of(read(size));
  CHECK(size == 8);
}

TEST_CASE("task: what lies in a frame is as aligned as it has to be", "[task]") {
  auto const all = []<std::size_t... Step>(std::index_sequence<Step...>) {
    return (all_are_aligned<1 + 4 * Step>() && ...);
  };
  CHECK(all(std::make_index_sequence<16>()));
}

TEST_CASE("task: a value whose move throws becomes an error, wherever it does", "[task]") {
  static auto const child = [](int moves) -> task<throws_when_moved> { co_return throws_when_moved(moves); };
  static auto const parent = [](int moves) -> task<int> {
    throws_when_moved const got = co_await child(moves);
    co_return got.left;
  };
  int failed = 0;
  for (int moves = 1; moves <= 5; ++moves) {
    try {
      int const left = value_of(parent(moves));
      CHECK(left > 0);
    } catch (std::runtime_error const& error) {
      ++failed;
      CHECK(std::string(error.what()) == "no more moves");
    }
  }
  CHECK(failed == 2);  // into the promise, and out of it
  // A future moves it once more.
  failed = 0;
  for (int moves = 1; moves <= 8; ++moves) {
    try {
      value_of(child(moves));
    } catch (std::runtime_error const&) {
      ++failed;
    }
  }
  CHECK(failed > 2);
  CHECK(failed < 8);
}

namespace {

task<int> fail_at(int depth, bool suspends, std::vector<std::string>* log) {
  std::optional<noting> local;
  if (log != nullptr) local.emplace(*log, std::to_string(depth));
  if (depth == 0) {
    if (suspends) co_await concur::yield();
    throw std::runtime_error("deep");
  }
  co_return 1 + co_await fail_at(depth - 1, suspends, log);
}

}  // namespace

TEST_CASE("task: an error passes through ten thousand levels, and every local goes once", "[task]") {
  bool const suspends = GENERATE(false, true);
  int const depth = 10'000;
  std::vector<std::string> log;
  CHECK_THROWS_WITH(value_of(fail_at(depth, suspends, &log)), "deep");
  REQUIRE(log.size() == std::size_t(depth) + 1);
  CHECK(log.front() == "0");
  CHECK(log.back() == std::to_string(depth));
}

TEST_CASE("task: an error that was caught leaves the task as it was", "[task]") {
  static auto const catches = [](bool suspends) -> task<int> {
    int caught = 0;
    for (int i = 0; i < 3; ++i) {
      try {
        co_await fail_at(3, suspends, nullptr);
      } catch (std::runtime_error const&) {
        ++caught;
      }
      caught += 10 * co_await give(1, suspends);
    }
    co_return caught;
  };
  CHECK(value_of(catches(false)) == 33);
  CHECK(value_of(catches(true)) == 33);
}

namespace {

task<> with_locals([[maybe_unused]] noting first, [[maybe_unused]] noting second, std::vector<std::string>& log,
                   bool suspends) {
  noting const outer(log, "outer");
  {
    noting const inner(log, "inner");
    if (suspends) co_await concur::yield();
  }
  noting const last(log, "last");
  log.push_back("end");
}

task<> awaits_with_locals(std::vector<std::string>& log, bool suspends) {
  noting const around(log, "around");
  co_await with_locals(noting(log, "first"), noting(log, "second"), log, suspends);
  log.push_back("after");
}

}  // namespace

TEST_CASE("task: locals and arguments are destroyed once, in the order of a function's", "[task]") {
  bool const suspends = GENERATE(false, true);
  std::vector<std::string> log;
  value_of(awaits_with_locals(log, suspends));
  // The order of two arguments of one call is the compiler's affair.
  REQUIRE(log.size() == 8);
  CHECK(std::vector(log.begin(), log.begin() + 4) == std::vector<std::string>{"inner", "end", "last", "outer"});
  CHECK(((log[4] == "first" && log[5] == "second") || (log[4] == "second" && log[5] == "first")));
  CHECK(std::vector(log.begin() + 6, log.end()) == std::vector<std::string>{"after", "around"});
}

TEST_CASE("task: a task that was moved keeps its coroutine, and the other has none", "[task]") {
  static auto const moves = []() -> task<int> {
    task<int> first = give(7, false);
    task<int> second = std::move(first);
    bool const moved = !first.valid() && second.valid();
    second.swap(first);
    second = std::move(first);
    auto& same = second;
    second = std::move(same);
    int const value = co_await std::move(second);
    co_return moved && !second.valid() ? value : -1;
  };
  CHECK_FALSE(task<int>().valid());
  CHECK(value_of(moves()) == 7);
  CHECK_THROWS_AS(value_of(task<int>()), concur::misuse);
}

namespace {

// A promise of somebody's own that runs in a context.
support::test_task<int> awaits_tasks(concur::event& e) {
  int sum = co_await sum_of_values(true);
  co_await e.async_wait();
  try {
    co_await fail_at(3, true, nullptr);
  } catch (std::runtime_error const&) {
    sum += 100'000;
  }
  sum += co_await give(1'000'000, true);
  co_return sum;
}

}  // namespace

TEST_CASE("task: a coroutine of another type awaits it if its promise has a context", "[task]") {
  concur::event e;
  support::queue_executor here;
  auto const root = support::spawn(here, awaits_tasks(e));
  here.run_all();
  CHECK_FALSE(root->done());
  e.set();
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->result() == 1'111'111);
}

namespace {

task<long> in_sequence(long count) {
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += co_await give(i & 1, false);
  co_return sum;
}

task<long> nested(long depth, bool suspends) {
  long const one = 1;
  if (depth == 1) {
    if (suspends) co_await concur::yield();
    co_return one;
  }
  co_return one + co_await nested(depth - 1, suspends);
}

task<long> nested_and_in_sequence(long depth, long count) {
  long sum = 0;
  if (depth > 0) sum = co_await nested_and_in_sequence(depth - 1, count);
  if (depth % 1'000 == 0) sum += co_await in_sequence(count);
  co_return sum;
}

}  // namespace

TEST_CASE("task: ten million awaits in a row and a million nested need no stack", "[task][one_item]") {
  long const count = slow_build ? 500'000 : 10'000'000;
  CHECK(value_of(in_sequence(count)) == count / 2);
  long const depth = 1'000'000;
  CHECK(value_of(nested(depth, false)) == depth);
  CHECK(value_of(nested(depth, true)) == depth);
  // Awaits that end at once, below a stack that was found to be too small.
  CHECK(value_of(nested_and_in_sequence(20'000, 1'000)) == 21 * 500);
}

namespace {

struct levels {
  concur::event go;
  long entered = 0;
  long left = 0;
  long refused = 0;
};

task<> wait_below(levels& seen, long depth) {
  struct at_end {
    explicit at_end(long& which) noexcept : left(which) {}
    ~at_end() { ++left; }
    long& left;
  } const counted(seen.left);
  ++seen.entered;
  if (depth == 1) {
    co_await seen.go.async_wait();
  } else {
    co_await wait_below(seen, depth - 1);
  }
}

// Catches in the middle, and is stopped again at the next wait.
task<> wait_twice(levels& seen, long depth) {
  try {
    co_await wait_below(seen, depth);
  } catch (concur::cancelled const&) {
    ++seen.refused;
  }
  co_await wait_below(seen, depth);
}

}  // namespace

TEST_CASE("task: a suspended chain of 300,000 is cancelled", "[task][one_item]") {
  // Under some sanitizers each level's exception costs a tenth of a millisecond.
  long const depth = slow_build ? 30'000 : 300'000;
  hand_loop here;
  levels seen;
  auto f = spawn(here, wait_below(seen, depth));
  here.run_all();
  CHECK(seen.entered == depth);
  CHECK(seen.left == 0);
  CHECK(f.cancel());
  CHECK(seen.left == 0);  // nothing of it runs in the call
  here.run_all();
  REQUIRE(f.done());
  CHECK(seen.left == depth);
  CHECK_THROWS_AS(f.get(), concur::cancelled);

  levels twice;
  auto g = spawn(here, wait_twice(twice, 1'000));
  here.run_all();
  g.cancel();
  here.run_all();
  CHECK_THROWS_AS(g.get(), concur::cancelled);
  CHECK(twice.refused == 1);
  CHECK(twice.left == 2'000);
}

namespace {

task<long> hop_at_every_level(concur::executor& one, concur::executor& other, long depth) {
  long const level = depth;
  co_await hop_to(level % 2 == 0 ? one : other);
  if (level == 0) co_return concur::current_executor() == &one ? 0 : -1'000'000;
  long const below = co_await hop_at_every_level(one, other, level - 1);
  // The child was started here, so this goes on here.
  bool const back = concur::current_executor() == (level % 2 == 0 ? &one : &other);
  co_return below + (back ? 1 : -1'000'000);
}

}  // namespace

TEST_CASE("task: a chain hops between two threads at every level", "[task]") {
  support::threads_executor one(1), other(1);
  long const depth = support::rounds(3'000);
  auto f = spawn(one, hop_at_every_level(one, other, depth));
  CHECK(f.get() == depth);
}

TEST_CASE("task: a chain hops between two threads of one executor", "[task]") {
  static auto const hops = [](concur::executor& pool, long depth, auto& self) -> task<long> {
    long const level = depth;
    co_await concur::yield();
    if (level == 0) co_return 0;
    long const below = co_await self(pool, level - 1, self);
    co_await hop_to(pool);
    co_return below + 1;
  };
  support::threads_executor pool(2);
  long const depth = support::rounds(3'000);
  std::vector<concur::future<long>> all;
  for (int i = 0; i < 4; ++i) all.push_back(spawn(pool, hops(pool, depth, hops)));
  for (auto& f : all) CHECK(f.get() == depth);
}

namespace {

// The innermost frame cannot be had.
task<int> needs_frames(int depth) {
  int const level = depth;
  if (level == 0) co_return 0;
  co_await concur::yield();
  co_return 1 + co_await needs_frames(level - 1);
}

}  // namespace

TEST_CASE("task: a frame that cannot be had is an error of the await", "[task]") {
  if (!support::failing_new::available() || !concur::os::watches_memory) return;  // else frames are recycled
  for (int k = 1;; ++k) {
    hand_loop here;
    int result = 0;
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        auto f = spawn(here, needs_frames(3));
        here.run_all();
        result = f.get();
      } catch (std::bad_alloc const&) {
        result = -1;
      }
      happened = shortage.happened();
    }
    CHECK(result == (happened ? -1 : 3));
    if (!happened) {
      CHECK(k > 5);
      break;
    }
  }
}
