// SPDX-License-Identifier: BSL-1.0
//
// What compilers have got wrong about coroutines, in the forms that users of tasks write. Compiled with the library's
// checks, which notice a coroutine that the compiler has lost. Tested elsewhere: C4, the stack (coro/task_test.cpp);
// C6, the frame that another thread runs already (coro/foreign_await_test.cpp, coro/hop_test.cpp); C13, exceptions of
// stacks that are switched (testing/explorer_explore.cpp); C14, libraries that are found but not linked
// (layering_test.cpp). C11 is every build with warnings as errors.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 1
#include <concur/core/hop.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/with.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>

#include "../coro/coro_support.hpp"

#include <chrono>
#include <coroutine>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using concur::spawn;
using concur::task;
using support::end_in_child;
using support::hand_loop;
using support::value_of;

// C15: an awaiter that comes out of a function by reference is copied by GCC 12; ours cannot be, and come by value.
template <class... Awaiter>
constexpr bool stay_where_they_are =
    ((!std::is_copy_constructible_v<Awaiter> && !std::is_move_constructible_v<Awaiter> &&
      !std::is_copy_assignable_v<Awaiter> && !std::is_move_assignable_v<Awaiter> && !std::is_aggregate_v<Awaiter> &&
      std::is_object_v<Awaiter>) &&
     ...);
using promise = task<int>::promise_type;
template <class Awaitable>
using awaited_as = decltype(std::declval<promise&>().await_transform(std::declval<Awaitable>()));
static_assert(stay_where_they_are<awaited_as<task<int>>, awaited_as<task<std::string>>,
                                  awaited_as<concur::sleep_length>, awaited_as<concur::yield_request>,
                                  awaited_as<concur::hop_awaiter>, awaited_as<concur::future<int>>,
                                  awaited_as<concur::future<int>&>, awaited_as<std::suspend_always>>);

// C8: what get_return_object gives is the coroutine's own type, so nobody converts it too early.
static_assert(std::is_same_v<decltype(std::declval<promise&>().get_return_object()), task<int>>);

// C16: GCC 12 never lets the temporaries of two await expressions share their place in the frame.
static_assert(sizeof(task<int>::awaiter) == sizeof(void*));
static_assert(sizeof(concur::hop_awaiter) == sizeof(void*));
static_assert(sizeof(concur::yield_awaiter) <= sizeof(void*));
static_assert(sizeof(concur::sleep_awaiter) == 2 * sizeof(void*));
static_assert(sizeof(promise) == 3 * sizeof(void*));

task<int> later(int value) {
  int const given = value;
  co_await concur::yield();
  co_return given;
}
task<bool> whether(bool value) {
  bool const given = value;
  co_await concur::yield();
  co_return given;
}

// ---- C1

task<int> two_steps(std::shared_ptr<int> counted) {
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    auto const work = [counted]() -> task<int> {
      int const one = co_await later(1);
      co_return *counted + one;
    };
    auto job = spawn(work);
    sum += co_await job;
    sum += co_await work();
  }
  co_return sum;
}

task<int> references_only(std::shared_ptr<int> const& counted) {
  int const base = 0;
  co_return base + co_await spawn([&counted]() -> task<int> { return later(*counted); });
}

task<int> owned_arguments(std::shared_ptr<int> counted) {
  int const base = 0;
  auto job = spawn([](std::shared_ptr<int> mine) -> task<int> { co_return co_await later(*mine); }, counted);
  co_return base + co_await job;
}

#if defined(__clang__)
task<int> one_line(std::shared_ptr<int> counted) {
  int const base = 0;
  co_return base + co_await spawn([counted]() -> task<int> { co_return co_await later(*counted); });
}
#endif

}  // namespace

TEST_CASE("trap C1: a lambda that owns something and is named first is destroyed once", "[traps]") {
  auto const counted = std::make_shared<int>(7);
  CHECK(value_of(two_steps(counted)) == 48);
  CHECK(counted.use_count() == 1);
  CHECK(value_of(references_only(counted)) == 7);
  CHECK(value_of(owned_arguments(counted)) == 7);
  CHECK(counted.use_count() == 1);
#if defined(__clang__)
  CHECK(value_of(one_line(counted)) == 7);
  CHECK(counted.use_count() == 1);
#endif
}

namespace {

using namespace std::chrono_literals;

// Closed at once.
class resource {
 public:
  explicit resource(int& closed) : closed_(closed) {}
  void close() { ++closed_; }

 private:
  int& closed_;
};

// Everything that takes a callable: it is named before the await.
task<int> named_everywhere(std::shared_ptr<int> counted, concur::thread_pool& pool, int& closed) {
  int sum = 0;
  auto const work = [counted]() -> task<int> {
    int const one = co_await later(1);
    co_return *counted - one;
  };
  auto const with_argument = [counted](std::shared_ptr<int> other) -> task<int> {
    int const one = co_await later(1);
    co_return (*counted + *other) / 2 - one;
  };
  sum += co_await concur::timeout(1h, work);
  sum += co_await concur::timeout(1h, with_argument, counted);
  auto const in_time = co_await concur::move_on_after(1h, work);
  sum += in_time.value_or(0);
  concur::cancel_scope scope;
  auto const ended = co_await scope.run(work);
  sum += ended.value_or(0);
  sum += co_await concur::shield(work);
  sum += co_await concur::call_task(with_argument, counted);
  auto const [a, b] = co_await concur::gather(work(), work());
  sum += a + b;
  auto const body = [counted, work](concur::task_group& group) -> task<int> {
    group.spawn(work);
    int const one = co_await later(1);
    co_return *counted - one;
  };
  sum += co_await concur::with_group(body);
  resource opened(closed);
  auto const use = [counted](resource&) -> task<int> {
    int const one = co_await later(1);
    co_return *counted - one;
  };
  sum += co_await concur::with(opened, use);
  auto job = pool.submit([counted] { return *counted - 1; });
  sum += co_await job;
  auto task_of_the_pool = spawn(pool, work);
  sum += co_await task_of_the_pool;
  co_return sum;
}

#if defined(__clang__)
task<int> one_line_everywhere(std::shared_ptr<int> counted, concur::thread_pool& pool, int& closed) {
  int sum = 0;
  sum += co_await concur::timeout(1h, [counted]() -> task<int> { co_return co_await later(*counted); });
  auto const in_time =
      co_await concur::move_on_after(1h, [counted]() -> task<int> { co_return co_await later(*counted); });
  sum += in_time.value_or(0);
  sum += co_await concur::shield([counted]() -> task<int> { co_return co_await later(*counted); });
  sum +=
      co_await concur::with_group([counted](concur::task_group&) -> task<int> { co_return co_await later(*counted); });
  sum += co_await concur::with(resource(closed),
                               [counted](resource&) -> task<int> { co_return co_await later(*counted); });
  sum += co_await pool.submit([counted] { return *counted; });
  co_return sum;
}
#endif

}  // namespace

TEST_CASE("trap C1: whatever takes a callable, one that is named first is destroyed once", "[traps]") {
  auto const counted = std::make_shared<int>(7);
  concur::thread_pool pool(1);
  int closed = 0;
  CHECK(concur::run(named_everywhere(counted, pool, closed)) == 12 * 6);
  CHECK(closed == 1);
  pool.wait_idle();
  CHECK(counted.use_count() == 1);
#if defined(__clang__)
  CHECK(concur::run(one_line_everywhere(counted, pool, closed)) == 6 * 7);
  CHECK(closed == 2);
  pool.wait_idle();
  CHECK(counted.use_count() == 1);
#endif
}

namespace {

task<int> conditions_that_declare() {
  int passed = 0;
  if (bool const yes = co_await whether(true)) passed += yes;
  for (int i = 0; co_await whether(i < 3); ++i) ++passed;
  while (int const more = co_await later(passed < 6 ? 1 : 0)) passed += more;
  switch (int const n = co_await later(2)) {
    case 2: passed += n; break;
    default: passed += 100;
  }
  co_return passed;
}

task<> only_a_declaration() {
  if (bool const yes = co_await whether(true)) static_cast<void>(yes);
}

// GCC 12 loses these.
task<> bare_if(int& reached) {
  if (co_await whether(true)) reached = 1;
}
task<> bare_while(int& reached) {
  while (co_await whether(reached == 0)) reached = 1;
}
task<> bare_switch(int& reached) {
  switch (co_await later(1)) {
    case 1: reached = 1;
  }
}

template <task<> (*Body)(int&)>
void run_bare() {
  int reached = 0;
  value_of(Body(reached));
  std::fprintf(stderr, reached == 1 ? "complete" : "wrong");
}

}  // namespace

TEST_CASE("trap C2: a condition that declares what it tests completes", "[traps]") {
  CHECK(value_of(conditions_that_declare()) == 8);
  value_of(only_a_declaration());
}

TEST_CASE("trap C2: a bare condition completes, or the coroutine is found to be lost", "[traps]") {
  for (auto* const body : {&run_bare<bare_if>, &run_bare<bare_while>, &run_bare<bare_switch>}) {
    auto const end = end_in_child(body);
    INFO(end.printed);
    if (end.signal == 0) {
      CHECK(end.printed == "complete");
    } else {
      CHECK(end.signal == SIGABRT);
      CHECK(end.printed.find("a coroutine was lost") != std::string::npos);
    }
  }
}

namespace {

task<std::size_t> length_of(std::vector<std::string> const& words) {
  std::size_t length = 0;
  for (auto const& word : words) length += word.size();
  co_await concur::yield();
  co_return length;
}

task<std::size_t> named_list() {
  std::vector<std::string> const words{"one", "two", "three"};
  co_return co_await length_of(words);
}

task<bool> await_first_then_check() {
  bool const yes = co_await whether(true);
  bool const no = co_await whether(false);
  bool const both = yes && !no;
  co_return both;
}

// C9: never `condition ? co_await a : b`.
task<int> branches(bool which) {
  int value = 0;
  if (which) {
    value = co_await later(1);
  } else {
    value = 2;
  }
  co_return value;
}

}  // namespace

TEST_CASE("traps C3, C5 and C9: lists are named, checks come after the await, branches are statements", "[traps]") {
  CHECK(value_of(named_list()) == 11);
  CHECK(value_of(await_first_then_check()));
  CHECK(value_of(branches(true)) == 1);
  CHECK(value_of(branches(false)) == 2);
}

namespace {

// Whoever spawns it is gone before it has begun.
concur::future<std::size_t> spawn_and_leave(hand_loop& where, std::string text) {
  return spawn(
      where,
      [text](int times, std::unique_ptr<int> factor) -> task<std::size_t> {
        std::size_t length = 0;
        for (int i = 0; i < times; ++i) length += text.size() * std::size_t(co_await later(*factor));
        co_return length;
      },
      3, std::make_unique<int>(2));
}

}  // namespace

TEST_CASE("trap C10: a coroutine lambda with captures lives until its task has ended", "[traps]") {
  hand_loop here;
  auto f = spawn_and_leave(here, std::string(50, 'x'));
  here.run_all();
  REQUIRE(f.done());
  CHECK(f.get() == 300);
}

namespace {

task<int> moved_and_named() {
  task<int> named = later(1);
  int sum = co_await std::move(named);
  auto&& bound = later(10);
  sum += co_await std::move(bound);
  concur::future<int> f = spawn(later(100));
  sum += co_await std::move(f);
  concur::future<int> g = spawn(later(1000));
  sum += co_await g;
  co_return sum;
}

}  // namespace

TEST_CASE("trap C15: what is awaited by a name or moved is not copied", "[traps]") {
  CHECK(value_of(moved_and_named()) == 1111);
}

namespace {

// Asks which thread it is before and after each move.
task<int> moves_between_threads(concur::executor& one, concur::executor& other, int times) {
  int wrong = 0;
  for (int i = 0; i < times; ++i) {
    concur::executor& next = i % 2 == 0 ? other : one;
    co_await concur::hop_to(next);
    wrong += concur::current_executor() == &next ? 0 : 1;
    auto child = spawn([]() -> task<concur::executor*> { co_return concur::current_executor(); });
    wrong += co_await child == &next ? 0 : 1;
  }
  co_return wrong;
}

}  // namespace

TEST_CASE("traps C7 and C12: what belongs to a thread is asked for anew after a move", "[traps]") {
  support::threads_executor one(1), other(1);
  auto f = spawn(one, moves_between_threads(one, other, support::rounds(1'000)));
  CHECK(f.get() == 0);
}
