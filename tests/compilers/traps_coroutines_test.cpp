// SPDX-License-Identifier: BSL-1.0
//
// What compilers have got wrong about coroutines, in the forms that users of the primitives write. Compiled without the
// library's checks, so that sizes are those of a release build.
#undef CONCUR_CHECKED
#define CONCUR_CHECKED 0
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/catch.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using support::queue_executor;
using support::spawn;
using support::test_task;

using predicate = bool (*)();
using lock = decltype(std::declval<concur::mutex&>().async_lock());
using acquire = decltype(std::declval<concur::semaphore&>().async_acquire());
using wait_for_event = decltype(std::declval<concur::event&>().async_wait());
using wait_for_items = decltype(std::declval<concur::event_count&>().async_wait(std::declval<predicate>()));
using wait_on_condition =
    decltype(std::declval<concur::condition&>().async_wait(std::declval<std::unique_lock<concur::mutex>&>()));
using wait_until_ready = decltype(std::declval<concur::condition&>().async_wait(
    std::declval<std::unique_lock<concur::mutex>&>(), std::declval<predicate>()));

// C15: an awaiter that comes out of a function by reference is copied by GCC 12; one that is a node in a list must not
// be. Nor may it be assigned, moved or made by a list of its members.
template <class... Operation>
constexpr bool stay_where_they_are =
    ((!std::is_copy_constructible_v<Operation> && !std::is_move_constructible_v<Operation> &&
      !std::is_copy_assignable_v<Operation> && !std::is_move_assignable_v<Operation> &&
      !std::is_aggregate_v<Operation>) &&
     ...);
static_assert(stay_where_they_are<lock, acquire, wait_for_event, wait_for_items, wait_on_condition, wait_until_ready>);
static_assert(stay_where_they_are<test_task<int>::awaiter>);

// C1: GCC 12 copies aggregates bit by bit that are temporaries of an await expression; guards that come out of one
// have constructors of their own.
static_assert(!std::is_aggregate_v<std::unique_lock<concur::mutex>>);

// C16: GCC 12 never lets the temporaries of two await expressions share their place in the frame.
static_assert(sizeof(lock) <= 48);
static_assert(sizeof(acquire) <= 48);
static_assert(sizeof(wait_for_event) <= 48);
static_assert(sizeof(wait_for_items) <= 80);
static_assert(sizeof(wait_on_condition) <= 128);
static_assert(sizeof(wait_until_ready) <= 128);

template <class T>
T run(test_task<T> body) {
  queue_executor here;
  auto const root = spawn(here, std::move(body));
  here.run_all();
  REQUIRE(root->done());
  return root->result();
}

struct room {
  concur::mutex m;
  concur::condition changed;
  concur::event_count hint;
  concur::event go;
  int value = 0;
};

test_task<long> named_predicates(room& shared, std::shared_ptr<int> counted) {
  long most = 0;
  for (int i = 0; i < 3; ++i) {
    auto guard = co_await shared.m.async_lock();
    auto const ready = [counted, &shared] { return shared.value >= 0 && *counted == 7; };
    co_await shared.changed.async_wait(guard, ready);
    co_await shared.hint.async_wait(ready);
    most = std::max(most, counted.use_count());
  }
  co_return most;
}

test_task<> suspended_with_named_predicates(room& shared, std::shared_ptr<int> counted) {
  auto guard = co_await shared.m.async_lock();
  auto const ready = [counted, &shared] { return shared.value == 1; };
  co_await shared.changed.async_wait(guard, ready);
  guard.unlock();
  auto const next = [counted, &shared] { return shared.value == 2; };
  co_await shared.hint.async_wait(next);
}

}  // namespace

TEST_CASE("trap C1: a named predicate that owns something is destroyed once", "[traps]") {
  auto const counted = std::make_shared<int>(7);
  room shared;
  CHECK(run(named_predicates(shared, counted)) >= 3);
  CHECK(counted.use_count() == 1);

  queue_executor here;
  {
    auto const root = spawn(here, suspended_with_named_predicates(shared, counted));
    here.run_all();
    shared.value = 1;
    shared.changed.notify_one();
    here.run_all();
    CHECK_FALSE(root->done());
    shared.value = 2;
    shared.hint.notify_one();
    here.run_all();
    CHECK(root->done());
  }
  CHECK(counted.use_count() == 1);
}

namespace {

// The capture is by reference only: such a lambda may be a temporary everywhere.
test_task<int> temporaries_that_capture_references(room& shared) {
  int asked = 0;
  auto guard = co_await shared.m.async_lock();
  co_await shared.changed.async_wait(guard, [&asked] { return ++asked > 0; });
  co_await shared.hint.async_wait([&asked] { return ++asked > 0; });
  co_return asked;
}

}  // namespace

TEST_CASE("trap C1: a temporary predicate that captures references only is right everywhere", "[traps]") {
  room shared;
  CHECK(run(temporaries_that_capture_references(shared)) == 2);
}

#if defined(__clang__)
namespace {

test_task<> temporaries_that_own(room& shared, std::shared_ptr<int> counted) {
  auto guard = co_await shared.m.async_lock();
  co_await shared.changed.async_wait(guard, [counted] { return *counted == 7; });
  co_await shared.hint.async_wait([counted] { return *counted == 7; });
}

}  // namespace

TEST_CASE("trap C1: Clang treats a temporary predicate that owns something correctly", "[traps]") {
  auto const counted = std::make_shared<int>(7);
  room shared;
  run(temporaries_that_own(shared, counted));
  CHECK(counted.use_count() == 1);
}
#endif

namespace {

test_task<bool> answer(room& shared, bool value) {
  bool const said = value;
  co_await shared.go.async_wait();
  co_return said;
}

// The form that is right everywhere: a declaration in the condition, or anywhere in the body.
test_task<int> await_in_conditions(room& shared) {
  int passed = 0;
  if (bool const yes = co_await answer(shared, true)) passed += yes;
  if (co_await answer(shared, false)) passed += 100;
  for (int i = 0; co_await answer(shared, i < 3); ++i) ++passed;
  while (bool const more = co_await answer(shared, passed < 6)) passed += more;
  do ++passed;
  while (co_await answer(shared, passed < 9));
  switch (co_await answer(shared, true)) {
    case true: ++passed; break;
    default: passed += 100;
  }
  co_return passed;
}

}  // namespace

TEST_CASE("trap C2: awaits in conditions complete in a body that declares something", "[traps]") {
  room shared;
  queue_executor here;
  auto const root = spawn(here, await_in_conditions(shared));
  here.run_all();
  CHECK_FALSE(root->done());
  shared.go.set();
  here.run_all();
  REQUIRE(root->done());
  CHECK(root->result() == 10);
}

namespace {

test_task<std::size_t> total_length(std::vector<std::string> const& words) {
  std::size_t length = 0;
  for (auto const& word : words) length += word.size();
  co_return length;
}

test_task<std::size_t> await_with_named_list() {
  // As an argument inside the await expression GCC 12 does not compile the list.
  std::vector<std::string> const words{"one", "two", "three"};
  co_return co_await total_length(words);
}

}  // namespace

TEST_CASE("trap C3: a list is named before the await", "[traps]") { CHECK(run(await_with_named_list()) == 11); }

namespace {

test_task<bool> await_first_then_check(room& shared) {
  // Never inside an assertion: GCC evaluates one half of a short-circuit.
  bool const passed = co_await answer(shared, true);
  bool const not_passed = co_await answer(shared, false);
  co_return passed && !not_passed;
}

}  // namespace

TEST_CASE("trap C5: await first, then check", "[traps]") {
  room shared;
  shared.go.set();
  CHECK(run(await_first_then_check(shared)));
}
