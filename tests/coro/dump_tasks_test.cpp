// SPDX-License-Identifier: BSL-1.0
#include <concur/coro/dump_tasks.hpp>

#include <concur/core/hop.hpp>
#include <concur/coro/async_generator.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "dump_tasks_chain.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using concur::cancellation;
using concur::describe_tasks;
using concur::dump_tasks;
using concur::event;
using concur::future;
using concur::spawn;
using concur::task;
using sharing = concur::cancellation::sharing;

/// An executor with tasks of its own, in front of one that runs them.
template <class Runner>
class scoped_executor final : public concur::executor {
 public:
  template <class... Arguments>
  explicit scoped_executor(sharing use, Arguments... arguments) : runner_(arguments...), tasks_(use), use_(use) {}

  void post(concur::work& item) noexcept override { runner_.post(item); }
  void arm(concur::work& item, concur::time_point when) override { runner_.arm(item, when); }
  bool disarm(concur::work& item) noexcept override { return runner_.disarm(item); }
  cancellation& tasks() noexcept override { return tasks_; }
  bool is_elsewhere() const noexcept override {
    return use_ == sharing::one_thread && std::this_thread::get_id() != home_;
  }

  Runner& operator*() noexcept { return runner_; }

 private:
  Runner runner_;
  cancellation tasks_;
  sharing const use_;
  std::thread::id const home_ = std::this_thread::get_id();
};

using loop = scoped_executor<support::queue_executor>;
using pool = scoped_executor<support::threads_executor>;

/// What a loop or a pool is in the registry.
template <class Executor>
class listed final : public concur::registry_entry {
 public:
  listed(concur::registry_kind kind, Executor& where) : registry_entry(kind), where_(where) { insert(); }
  ~listed() { remove(); }
  void describe(std::string& out) const override { out += "of a test\nwith two lines"; }
  void describe_tasks(std::string& out) const override { concur::append_tasks(out, where_); }

 private:
  Executor& where_;
};

std::string at(unsigned line) { return "dump_tasks_test.cpp:" + std::to_string(line); }

std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

bool starts_with(std::string const& line, std::string const& begin) { return line.starts_with(begin); }
bool contains(std::string const& text, std::string_view part) { return text.find(part) != text.npos; }

std::size_t occurrences(std::string const& text, std::string_view part) {
  std::size_t count = 0;
  for (auto found = text.find(part); found != text.npos; found = text.find(part, found + 1)) ++count;
  return count;
}

constexpr unsigned leaf_line = __LINE__ + 3;
task<> leaf(event& e) {
  int const here = 1;
  co_await e.async_wait();
  static_cast<void>(here);
}

constexpr unsigned middle_line = __LINE__ + 3;
task<int> middle(event& e) {
  int const result = 2;
  co_await leaf(e);
  co_return result;
}

}  // namespace

TEST_CASE("a task that waits is shown with its name, its places and its await chain", "[dump_tasks]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  loop here(use);
  event e;
  auto const spawned_at = __LINE__ + 1;
  auto spider = spawn(here, test_chain::outermost(middle, e), "spider");
  auto nameless = spawn(here, leaf(e));
  (*here).run_all();
  auto const lines = lines_of(describe_tasks(here));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "task \"spider\" spawned at " + at(spawned_at) + ", waits at " + at(leaf_line));
  CHECK(starts_with(lines[1], "  " + at(leaf_line) + " "));
  CHECK(contains(lines[1], "leaf("));
  CHECK(starts_with(lines[2], "  " + at(middle_line) + " "));
  CHECK(contains(lines[2], "middle("));
  CHECK(starts_with(lines[3], "  dump_tasks_chain.hpp:" + std::to_string(test_chain::outermost_line) + " "));
  CHECK(contains(lines[3], "test_chain::outermost("));
  CHECK(lines[4] == "task spawned at " + at(spawned_at + 1) + ", waits at " + at(leaf_line));
  CHECK(starts_with(lines[5], "  " + at(leaf_line) + " "));
  e.set();
  (*here).run_all();
  CHECK(describe_tasks(here).empty());
}

TEST_CASE("a task that is shielded was spawned where that was said", "[dump_tasks]") {
  loop here(sharing::one_thread);
  event e;
  auto const line = unsigned(__LINE__ + 3);
  auto const shielding = [&e]() -> task<> {
    auto const body = [&e] { return leaf(e); };
    co_await concur::shield(body);
  };
  auto const with_argument = [&e]() -> task<> { co_await concur::shield(leaf, std::ref(e)); };
  auto first = spawn(here, shielding, "first");
  auto second = spawn(here, with_argument, "second");
  (*here).run_all();
  auto const text = describe_tasks(here);
  INFO(text);
  CHECK(contains(text, "task spawned at " + at(line)));
  CHECK_FALSE(contains(text, "spawned at shield.hpp"));
  e.set();
  (*here).run_all();
}

TEST_CASE("a function is named as it was written, also by GCC", "[dump_tasks]") {
  loop here(sharing::one_thread);
  event e;
  static auto const by_lambda = [](event& never) -> task<> {
    int const nothing = 0;
    co_await never.async_wait();
    static_cast<void>(nothing);
  };
  auto first = spawn(here, leaf(e));
  auto second = spawn(here, by_lambda(e));
  (*here).run_all();
  auto const text = describe_tasks(here);
  INFO(text);
  CHECK(contains(text, "::leaf("));
  CHECK(contains(text, "event"));
  CHECK_FALSE(contains(text, "Frame"));
  CHECK_FALSE(contains(text, "_Z"));
  CHECK(contains(text, "operator()"));
  e.set();
  (*here).run_all();
}

TEST_CASE("a task that has not begun, runs or is queued is shown as that", "[dump_tasks][in_order]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  static auto const looks = [](loop& here, std::string& seen) -> task<> {
    int const nothing = 0;
    seen = describe_tasks(here);
    co_await concur::yield();
    static_cast<void>(nothing);
  };
  loop here(use);
  std::string seen;
  auto const line = __LINE__ + 1;
  auto first = spawn(here, looks(here, seen), "first");
  auto second = spawn(here, looks(here, seen), "second");
  CHECK(describe_tasks(here) == "task \"first\" spawned at " + at(line) + ", has not begun\n" +
                                    "task \"second\" spawned at " + at(line + 1) + ", has not begun\n");
  (*here).run_ready();
  auto const lines = lines_of(seen);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "task \"first\" spawned at " + at(line) + ", is queued at " + at(line - 6));
  CHECK(starts_with(lines[1], "  " + at(line - 6) + " "));
  CHECK(lines[2] == "task \"second\" spawned at " + at(line + 1) + ", runs");
  (*here).run_all();
  CHECK(describe_tasks(here).empty());
}

TEST_CASE("a task is shown where it waits now", "[dump_tasks]") {
  static auto const body = [](event& e, concur::semaphore& s) -> task<> {
    int const nothing = 0;
    co_await e.async_wait();
    co_await s.async_acquire();
    co_await concur::sleep_for(std::chrono::microseconds(1));
    static_cast<void>(nothing);
  };
  auto const line = __LINE__ - 5;
  loop here(sharing::one_thread);
  event e;
  concur::semaphore s(0);
  auto one = spawn(here, body(e, s));
  (*here).run_all();
  CHECK(contains(describe_tasks(here), ", waits at " + at(line) + "\n"));
  e.set();
  (*here).run_all();
  CHECK(contains(describe_tasks(here), ", waits at " + at(line + 1) + "\n"));
  s.release();
  (*here).run_ready();
  CHECK(contains(describe_tasks(here), ", waits at " + at(line + 2) + "\n"));
  (*here).run_until([&] { return one.done(); });
}

TEST_CASE("tasks in scopes inside are shown, and that a task is cancelled", "[dump_tasks]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  static auto const in_scope = [](cancellation& scope, event& e) -> task<> {
    concur::task_context& mine = *concur::current_task();
    cancellation& outer = mine.scope();
    mine.move_to_scope(scope);
    co_await leaf(e);
    mine.move_to_scope(outer);
  };
  loop here(use);
  event e;
  {
    cancellation inner(here.tasks());
    cancellation innermost(inner);
    auto one = spawn(here, in_scope(inner, e), "in inner");
    auto two = spawn(here, in_scope(innermost, e), "in innermost");
    auto three = spawn(here, leaf(e), "outside");
    (*here).run_all();
    auto const all = describe_tasks(here);
    CHECK(occurrences(all, "task \"in inner\" ") == 1);
    CHECK(occurrences(all, "task \"in innermost\" ") == 1);
    CHECK(occurrences(all, "task \"outside\" ") == 1);
    CHECK(occurrences(all, "is cancelled") == 0);
    auto const inside = describe_tasks(inner);
    CHECK(occurrences(inside, "task \"") == 2);
    CHECK_FALSE(contains(inside, "outside"));
    innermost.cancel();  // it has been woken, and has yet to run
    CHECK(occurrences(describe_tasks(here), ", waits at " + at(leaf_line) + ", is cancelled\n") == 1);
    e.set();
    (*here).run_all();
    CHECK_THROWS_AS(two.get(), concur::cancelled);
  }
  CHECK(describe_tasks(here).empty());
}

TEST_CASE("a chain that leads through other libraries' coroutines is shown as far as to them", "[dump_tasks]") {
  // A promise with a context, but without a link.
  static auto const foreign = [](event& e) -> support::test_task<> {
    int const nothing = 0;
    co_await middle(e);
    static_cast<void>(nothing);
  };
  static auto const innermost = [](event& e) -> support::test_task<> {
    int const nothing = 0;
    co_await e.async_wait();
    static_cast<void>(nothing);
  };
  support::queue_executor here;
  event e;
  cancellation scope;
  support::root_task<void> outer_part(here, foreign(e), scope);
  outer_part.start();
  here.run_all();
  auto const lines = lines_of(describe_tasks(scope));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "task, waits at " + at(leaf_line));
  CHECK(starts_with(lines[1], "  " + at(leaf_line) + " "));
  CHECK(starts_with(lines[2], "  " + at(middle_line) + " "));
  CHECK(lines[3] == "  a coroutine of another library");
  support::root_task<void> nothing_known(here, innermost(e), outer_part.scope());
  nothing_known.start();
  here.run_all();
  CHECK(contains(describe_tasks(scope), "task, waits\n  a coroutine of another library\n"));
  e.set();
  here.run_all();
}

TEST_CASE("chains lead through generators and past hops", "[dump_tasks]") {
  static auto const numbers = [](event& e) -> concur::async_generator<int> {
    co_yield 1;
    co_await leaf(e);
    co_yield 2;
  };
  static auto const consumer = [](concur::executor& other, event& e) -> task<> {
    auto all = numbers(e);
    co_await concur::hop_to(other);
    while (auto const n = co_await all.next()) static_cast<void>(*n);
  };
  static auto const outer = [](concur::executor& other, event& e) -> task<> {
    int const nothing = 0;
    co_await consumer(other, e);
    static_cast<void>(nothing);
  };
  auto const line = __LINE__;
  loop here(sharing::one_thread), other(sharing::many_threads);
  event e;
  auto one = spawn(here, outer(other, e));
  (*here).run_all();
  CHECK(contains(describe_tasks(here), ", is queued at " + at(line - 8) + "\n"));
  (*other).run_all();
  auto const lines = lines_of(describe_tasks(here));
  REQUIRE(lines.size() == 5);
  CHECK(starts_with(lines[1], "  " + at(leaf_line) + " "));
  CHECK(starts_with(lines[2], "  " + at(line - 13) + " "));
  CHECK(starts_with(lines[3], "  " + at(line - 7) + " "));
  CHECK(starts_with(lines[4], "  " + at(line - 3) + " "));
  e.set();
  (*other).run_all();
  (*here).run_all();
  CHECK(one.done());
}

TEST_CASE("a deep chain is shown whole", "[dump_tasks]") {
  struct deep {
    static task<> go(event& e, int depth) {
      int const left = depth - 1;
      if (left == 0) {
        co_await leaf(e);
      } else {
        co_await go(e, left);
      }
    }
  };
  loop here(sharing::one_thread);
  event e;
  auto one = spawn(here, deep::go(e, 10'000));
  (*here).run_all();
  CHECK(lines_of(describe_tasks(here)).size() == 10'002);
  e.set();
  (*here).run_all();
}

TEST_CASE("the tasks of a loop are listed on its own thread only", "[dump_tasks]") {
  loop here(sharing::one_thread);
  event e;
  auto one = spawn(here, leaf(e));
  (*here).run_all();
  std::string elsewhere;
  std::thread([&] { elsewhere = describe_tasks(here); }).join();
  CHECK(elsewhere == "its tasks can be listed by its own thread only\n");
  CHECK(contains(describe_tasks(here), ", waits at "));
  e.set();
  (*here).run_all();
}

TEST_CASE("dump_tasks lists the registry with the tasks of each executor", "[dump_tasks]") {
  loop here(sharing::one_thread);
  support::queue_executor without_scope;
  event e;
  {
    listed const entry(concur::registry_kind::event_loop, here);
    CHECK(contains(dump_tasks(), "event loop of a test\n  with two lines\n"));
    auto const line = __LINE__ + 1;
    auto one = spawn(here, leaf(e), "one");
    (*here).run_all();
    auto other = spawn(without_scope, leaf(e), "other");
    without_scope.run_all();
    auto const text = dump_tasks();
    INFO(text);
    CHECK(contains(text, "event loop of a test\n  with two lines\n  task \"one\" spawned at " + at(line) +
                             ", waits at " + at(leaf_line) + "\n    " + at(leaf_line) + " "));
    CHECK(contains(text, "other executors\n  task \"other\" spawned at " + at(line + 2) + ", waits at " +
                             at(leaf_line) + "\n    " + at(leaf_line) + " "));
    std::string elsewhere;
    std::thread([&] { elsewhere = dump_tasks(); }).join();
    CHECK(contains(elsewhere, "  with two lines\n  its tasks can be listed by its own thread only\n"));
    e.set();
    (*here).run_all();
    without_scope.run_all();
  }
  CHECK_FALSE(contains(dump_tasks(), "of a test"));
  CHECK_FALSE(contains(dump_tasks(), "other executors"));
}

// The locks are let go: afterwards tasks go on, end, and scopes go.
TEST_CASE("when memory runs out in a description everything goes on", "[dump_tasks]") {
  if (!support::failing_new::available()) return;
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  loop here(use);
  event e;
  std::vector<future<int>> some;
  cancellation inner(here.tasks());
  for (int i = 0; i < 20; ++i) some.push_back(spawn(here, middle(e), "a name that takes some room in the text"));
  (*here).run_all();
  bool whole = false;
  int k = 1;
  for (; !whole; ++k) {
    std::optional<support::failing_new> shortage(k);
    bool failed = false;
    std::size_t size = 0;
    try {
      size = describe_tasks(here).size();
    } catch (std::bad_alloc const&) {
      failed = true;
    }
    whole = !shortage->happened();
    shortage.reset();
    CHECK(failed == !whole);
    if (whole) CHECK(size > 20 * 40);
    REQUIRE(k < 1'000);
  }
  CHECK(k > 3);
  e.set();
  (*here).run_all();
  for (auto& each : some) CHECK(each.get() == 2);
}

namespace {

/// Yields, waits for what another gives and sleeps, some coroutines deep.
task<> nap(concur::semaphore& coins, int depth) {
  int const left = depth - 1;
  if (left > 0) {
    co_await nap(coins, left);
  } else {
    coins.release();
    co_await concur::yield();
    co_await coins.async_acquire();
    co_await concur::sleep_for(std::chrono::microseconds(1));
  }
}

concur::async_generator<int> naps(concur::semaphore& coins, concur::executor& there) {
  for (int i = 1; i <= 4; ++i) {
    if (i == 3) co_await concur::hop_to(there);
    co_await nap(coins, i);
    co_yield i;
  }
}

/// Naps in a scope of its own.
task<> busy_life(concur::semaphore& coins, concur::executor& there) {
  concur::task_context& mine = *concur::current_task();
  cancellation& outer = mine.scope();
  cancellation own(outer);
  mine.move_to_scope(own);
  try {
    auto all = naps(coins, there);
    while (auto const n = co_await all.next()) static_cast<void>(*n);
  } catch (concur::cancelled const&) {
  }
  mine.move_to_scope(outer);
}

}  // namespace

TEST_CASE("tasks of several threads come, go and are cancelled while another thread lists them",
          "[dump_tasks][large]") {
  std::size_t const many = std::size_t(support::rounds(3'000)), at_once = 32;
  std::atomic<bool> over{false};
  std::size_t wrong = 0;
  concur::semaphore coins(0);
  event end;
  {
    pool workers(sharing::many_threads, 2u), others(sharing::many_threads, 1u);
    listed const entry(concur::registry_kind::thread_pool, workers);
    auto quiet = spawn(workers, middle(end), "quiet");
    while (!contains(describe_tasks(workers), "waits")) std::this_thread::yield();
    std::thread reporter([&] {
      do {
        auto const text = dump_tasks();
        auto const found = text.find("  task \"quiet\" ");
        wrong += found == text.npos || !contains(text.substr(found, 1'000), ", waits at " + at(leaf_line) + "\n    ");
      } while (!over.load());
    });
    std::vector<future<void>> all;
    for (std::size_t i = 0; i < many; ++i) {
      all.push_back(spawn(workers, busy_life(coins, others), "busy"));
      if (i % 8 == 7) all.back().cancel();
      while (i >= at_once && !all[i - at_once].done()) {
        coins.release();
        std::this_thread::yield();
      }
    }
    for (auto const& each : all) {
      while (!each.done()) {
        coins.release();
        std::this_thread::yield();
      }
    }
    over.store(true);
    reporter.join();
    end.set();
    CHECK(quiet.get() == 2);
    // The other thread may still be dropping a task whose future was cancelled before it began.
    while (!describe_tasks(workers).empty()) std::this_thread::yield();
  }
  CHECK(wrong == 0);
}
