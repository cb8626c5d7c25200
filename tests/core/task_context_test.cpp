// SPDX-License-Identifier: BSL-1.0
#include <concur/core/task_context.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using concur::task_context;
using support::queue_executor;
using support::root_task;
using support::spawn;
using support::test_task;
using support::threads_executor;

// How far the stack has grown below the first place it was measured at.
class stack_depth {
 public:
  [[gnu::noinline]] void measure() {
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (highest_ == 0) highest_ = lowest_ = here;
    highest_ = std::max(highest_, here);
    lowest_ = std::min(lowest_, here);
  }
  std::size_t bytes() const { return highest_ - lowest_; }

 private:
  std::uintptr_t highest_ = 0, lowest_ = 0;
};

// The budget of a context, twice: frames of unoptimised and of sanitized code are large.
constexpr std::size_t most_stack = 128 * 1024;

// An await that is suspended and goes on at once: through the trampoline, without an executor.
class bounce final : public concur::wait_operation {
 public:
  bounce() noexcept {}
  bounce(bounce const&) = delete;
  bounce& operator=(bounce const&) = delete;
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().context().suspend_in(*this, handle);
    return true;
  }
  void await_resume() const noexcept {}
  bool publish(task_context&) noexcept override { return false; }
  void cancel() noexcept override {}
};

// An await that goes on in another executor.
class hop_to final : public concur::wait_operation {
 public:
  explicit hop_to(concur::executor& place) noexcept : place_(place) {}
  hop_to(hop_to const&) = delete;
  hop_to& operator=(hop_to const&) = delete;
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().context().suspend_in(*this, handle);
    return true;
  }
  void await_resume() const noexcept {}
  bool publish(task_context& task) noexcept override {
    auto& place = place_;
    task.move_to(place);
    place.post(task);
    return true;
  }
  void cancel() noexcept override {}

 private:
  concur::executor& place_;
};

test_task<int> one(stack_depth& depth) {
  int const value = 1;
  depth.measure();
  co_return value;
}

test_task<long> await_many(int times, stack_depth& depth) {
  long sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await one(depth);
  co_return sum;
}

test_task<long> nest(int levels, stack_depth& depth, bool bounce_at_bottom) {
  long below = 0;
  depth.measure();
  if (levels > 1) {
    below = co_await nest(levels - 1, depth, bounce_at_bottom);
  } else if (bounce_at_bottom) {
    co_await bounce();
  }
  depth.measure();
  co_return below + 1;
}

test_task<> throw_from_below(int levels) {
  int const next = levels - 1;
  if (levels == 0) throw std::runtime_error("from below");
  co_await throw_from_below(next);
}

test_task<int> hop_down(int levels, concur::executor& first, concur::executor& second, std::atomic<int>& misplaced) {
  int below = 0;
  auto& here = levels % 2 == 0 ? first : second;
  co_await hop_to(here);
  if (concur::current_executor() != &here) misplaced.fetch_add(1);
  if (levels > 1) below = co_await hop_down(levels - 1, first, second, misplaced);
  if (levels % 3 == 0) co_await hop_to(here);
  co_return below + 1;
}

template <class T>
T run(test_task<T> body) {
  queue_executor here;
  auto const root = spawn(here, std::move(body));
  here.run_until([&root] { return root->done(); });
  return root->result();
}

}  // namespace

TEST_CASE("task_context: awaits one after the other do not grow the stack", "[task_context]") {
  int const times = support::slow_build ? 1'000'000 : 10'000'000;
  stack_depth depth;
  CHECK(run(await_many(times, depth)) == times);
  CHECK(depth.bytes() < most_stack);
}

TEST_CASE("task_context: a million nested awaits do not grow the stack beyond its budget", "[task_context]") {
  int const levels = 1'000'000;
  bool const bounce_at_bottom = GENERATE(false, true);
  stack_depth depth;
  CHECK(run(nest(levels, depth, bounce_at_bottom)) == levels);
  CHECK(depth.bytes() < most_stack);
}

TEST_CASE("task_context: an exception passes ten thousand levels", "[task_context]") {
  for (int levels : {0, 1, 10, 10'000}) CHECK_THROWS_WITH(run(throw_from_below(levels)), "from below");
}

namespace {

test_task<int> catch_and_go_on() {
  int caught = 0;
  for (int i = 0; i < 3; ++i) {
    try {
      co_await throw_from_below(i);
    } catch (std::runtime_error const&) {
      ++caught;
    }
    co_await bounce();
  }
  co_return caught;
}

test_task<std::string> move_only_results() {
  std::string text;
  for (int i = 0; i < 3; ++i) {
    static auto const make = [](int number) -> test_task<std::unique_ptr<std::string>> {
      auto made = std::make_unique<std::string>(std::to_string(number));
      co_await bounce();
      co_return std::move(made);
    };
    auto const part = co_await make(i);
    text += *part;
  }
  co_return text;
}

}  // namespace

TEST_CASE("task_context: an exception that was caught leaves nothing behind", "[task_context]") {
  CHECK(run(catch_and_go_on()) == 3);
}

TEST_CASE("task_context: results may be movable only", "[task_context]") { CHECK(run(move_only_results()) == "012"); }

TEST_CASE("task_context: a chain may hop between two executors at every level", "[task_context]") {
  int const levels = support::rounds(50'000);
  std::atomic<int> misplaced{0};
  threads_executor first(1), second(1);
  auto const root = spawn(first, hop_down(levels, first, second, misplaced));
  root->wait_until_done();
  CHECK(root->result() == levels);
  CHECK(misplaced.load() == 0);
}

TEST_CASE("task_context: many chains hop between pools of several threads at the same time", "[task_context]") {
  int const levels = support::rounds(5'000);
  std::atomic<int> misplaced{0};
  threads_executor first(2), second(2);
  std::vector<std::unique_ptr<root_task<int>>> roots;
  for (int i = 0; i < 8; ++i) {
    roots.push_back(spawn(i % 2 == 0 ? first : second, hop_down(levels, first, second, misplaced)));
  }
  for (auto const& root : roots) {
    root->wait_until_done();
    CHECK(root->result() == levels);
  }
  CHECK(misplaced.load() == 0);
}

namespace {

test_task<> see_current(task_context const*& seen) {
  int const nothing = 0;
  static_cast<void>(nothing);
  seen = concur::current_task();
  co_await bounce();
  if (seen != concur::current_task()) seen = nullptr;
}

test_task<> see_current_in_child(task_context const*& seen) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await see_current(seen);
}

}  // namespace

TEST_CASE("task_context: the current task is the one that runs, in its children too", "[task_context]") {
  queue_executor here;
  task_context const* seen = nullptr;
  task_context const* seen_by_child = nullptr;
  auto const root = spawn(here, see_current(seen));
  auto const parent = spawn(here, see_current_in_child(seen_by_child));
  CHECK(concur::current_task() == nullptr);
  here.run_all();
  CHECK(concur::current_task() == nullptr);
  CHECK(seen == root.get());
  CHECK(seen_by_child == parent.get());
}

TEST_CASE("task_context: one that was never started is simply gone", "[task_context]") {
  queue_executor here;
  stack_depth depth;
  root_task<long> const never_started(here, await_many(3, depth));
  test_task<long> const never_awaited = await_many(3, depth);
  CHECK(depth.bytes() == 0);
  CHECK_FALSE(never_started.done());
}

TEST_CASE("task_context: below its stack limit a run bounces until its end", "[task_context]") {
  queue_executor here;
  static bool first_answer, deep_answer, later_answer, next_run_answer;
  // drive() sets the limit; a coroutine asks.
  static auto const ask = []() -> test_task<> {
    char const* const frame = static_cast<char const*>(__builtin_frame_address(0));
    auto& context = *concur::current_task();
    first_answer = context.stack_left(frame);
    deep_answer = context.stack_left(frame - 2 * 1024 * 1024);
    later_answer = context.stack_left(frame);
    co_return;
  };
  static auto const ask_next = []() -> test_task<> {
    char const* const frame = static_cast<char const*>(__builtin_frame_address(0));
    next_run_answer = concur::current_task()->stack_left(frame);
    co_return;
  };
  auto const root = spawn(here, ask());
  auto const other = spawn(here, ask_next());
  here.run_all();
  REQUIRE(root->done());
  REQUIRE(other->done());
  CHECK(first_answer);
  CHECK_FALSE(deep_answer);
  CHECK_FALSE(later_answer);
  CHECK(next_run_answer);
}
