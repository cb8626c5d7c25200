// SPDX-License-Identifier: BSL-1.0
#include <concur/core/cancellation.hpp>

#include <concur/sync/event.hpp>

#include "../support/catch.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace {

using concur::cancellation;
using sharing = concur::cancellation::sharing;
using support::queue_executor;
using support::root_task;
using support::spawn;
using support::test_task;
using support::threads_executor;

class counted_operation final : public concur::wait_operation {
 public:
  bool publish(concur::task_context&) noexcept override { return true; }
  void cancel() noexcept override { cancels.fetch_add(1); }
  std::atomic<int> cancels{0};
};

// What a scope sees of a task, moved by hand.
class fake_task final : public concur::cancellable {
 public:
  using cancellable::hide;
  using cancellable::show;
};

test_task<> wait_for(concur::event& e) {
  int const nothing = 0;
  static_cast<void>(nothing);
  co_await e.async_wait();
}

}  // namespace

TEST_CASE("cancellation: the first cancel says so and ends the waits of its tasks", "[cancellation]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  cancellation scope(use);
  fake_task waiting, busy, gone;
  counted_operation operation, left;
  scope.add(waiting);
  scope.add(busy);
  scope.add(gone);
  waiting.show(operation);
  gone.show(left);
  scope.remove(gone);
  CHECK_FALSE(scope.cancelled());
  CHECK(scope.cancel());
  CHECK(scope.cancelled());
  CHECK_FALSE(scope.cancel());
  CHECK(operation.cancels == 1);
  CHECK(left.cancels == 0);
  waiting.hide();
  scope.pass_canceller();
  scope.remove(waiting);
  scope.remove(busy);
}

TEST_CASE("cancellation: it reaches every scope inside and none outside", "[cancellation]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  cancellation outermost(use);
  cancellation middle(outermost), sibling(outermost);
  cancellation inner(middle), other_inner(middle);
  fake_task in_outermost, in_sibling, in_inner, in_other_inner;
  counted_operation outermost_waits, sibling_waits, inner_waits, other_inner_waits;
  outermost.add(in_outermost);
  sibling.add(in_sibling);
  inner.add(in_inner);
  other_inner.add(in_other_inner);
  in_outermost.show(outermost_waits);
  in_sibling.show(sibling_waits);
  in_inner.show(inner_waits);
  in_other_inner.show(other_inner_waits);

  CHECK(inner.cancel());
  CHECK(inner_waits.cancels == 1);
  CHECK(other_inner_waits.cancels == 0);
  CHECK_FALSE(middle.cancelled());

  CHECK(middle.cancel());
  CHECK(inner_waits.cancels == 1);  // it was told already
  CHECK(other_inner_waits.cancels == 1);
  CHECK(sibling_waits.cancels + outermost_waits.cancels == 0);
  CHECK_FALSE(sibling.cancelled());
  CHECK_FALSE(other_inner.cancel());

  CHECK(outermost.cancel());
  CHECK(sibling_waits.cancels == 1);
  CHECK(outermost_waits.cancels == 1);
  CHECK(other_inner_waits.cancels == 1);

  cancellation late(inner);
  CHECK(late.cancelled());  // from the start
  CHECK_FALSE(late.cancel());

  outermost.remove(in_outermost);
  sibling.remove(in_sibling);
  inner.remove(in_inner);
  other_inner.remove(in_other_inner);
}

TEST_CASE("cancellation: no depth of nesting exhausts the stack", "[cancellation]") {
  auto const use = GENERATE(sharing::one_thread, sharing::many_threads);
  constexpr std::size_t depth = 100'000;
  std::vector<std::unique_ptr<cancellation>> nested;
  nested.push_back(std::make_unique<cancellation>(use));
  while (nested.size() < depth) nested.push_back(std::make_unique<cancellation>(*nested.back()));
  fake_task deepest;
  counted_operation operation;
  nested.back()->add(deepest);
  deepest.show(operation);
  CHECK(nested[1]->cancel());
  CHECK_FALSE(nested[0]->cancelled());
  CHECK(nested.back()->cancelled());
  CHECK(nested[depth / 2]->cancelled());
  CHECK(operation.cancels == 1);
  nested.back()->remove(deepest);
  while (!nested.empty()) nested.pop_back();
}

TEST_CASE("cancellation: once cancelled, every further wait is refused until the task ends", "[cancellation]") {
  struct log {
    int refused = 0;
    int passed = 0;
  };
  static auto const stubborn = [](concur::event& never_set, concur::event& is_set, log& seen) -> test_task<> {
    for (int i = 0; i < 3; ++i) {
      try {
        co_await never_set.async_wait();
        ++seen.passed;
      } catch (concur::cancelled const&) {
        ++seen.refused;
      }
      try {
        co_await is_set.async_wait();
        ++seen.passed;
      } catch (concur::cancelled const&) {
        ++seen.refused;
      }
    }
  };
  concur::event never_set, is_set(true);
  queue_executor here;
  log seen;
  auto const root = spawn(here, stubborn(never_set, is_set, seen));
  here.run_all();
  root->cancel();
  here.run_all();
  REQUIRE(root->done());
  CHECK(seen.refused == 6);
  CHECK(seen.passed == 0);
  CHECK_FALSE(root->error());
}

TEST_CASE("cancellation: tasks in nested scopes are cancelled together", "[cancellation]") {
  concur::event e;
  queue_executor here;
  cancellation outer;
  cancellation inner(outer);
  root_task first(here, wait_for(e), outer);
  root_task second(here, wait_for(e), inner);
  root_task apart(here, wait_for(e));
  first.start();
  second.start();
  apart.start();
  here.run_all();
  outer.cancel();
  here.run_all();
  CHECK(first.was_cancelled());
  CHECK(second.was_cancelled());
  CHECK_FALSE(apart.done());
  root_task late(here, wait_for(e), inner);
  late.start();
  here.run_all();
  CHECK(late.was_cancelled());
  e.set();
  here.run_all();
  CHECK(apart.done());
  CHECK_FALSE(apart.error());
}

namespace {

// Each round waits in an awaiter of its own, in a frame of its own, which is gone the moment the wait is over.
test_task<bool> wait_once(concur::event& e) {
  bool passed = false;
  try {
    co_await e.async_wait();
    passed = true;
  } catch (concur::cancelled const&) {
  }
  co_return passed;
}

}  // namespace

// A waker and a canceller race for one wait; whichever wins, the frame of the wait is freed at once.
TEST_CASE("cancellation: wakes and cancels from foreign threads, and the frame is gone at once", "[cancellation]") {
  int const times = 3'000;
  std::atomic<long> passed{0}, cancelled{0};
  {
    threads_executor pool(1);
    std::atomic<root_task<bool>*> for_canceller{nullptr};
    std::atomic<concur::event*> for_waker{nullptr};
    std::atomic<int> finished{0};
    support::hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        concur::event e;
        auto const root = spawn(pool, wait_once(e));
        for_waker.store(&e);
        for_canceller.store(root.get());
        root->wait_until_done();
        (root->result() ? passed : cancelled).fetch_add(1);
        while (for_waker.load() != nullptr || for_canceller.load() != nullptr) concur::os::spin_pause();
        while (finished.load() != 2 * (i + 1)) concur::os::yield();
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        concur::event* e = nullptr;
        for (concur::brief_wait offer; (e = for_waker.exchange(nullptr)) == nullptr;) offer.pause();
        for (int pause = i % 16; pause > 0; --pause) concur::os::spin_pause();
        e->set();
        finished.fetch_add(1);
      }
    });
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        root_task<bool>* root = nullptr;
        for (concur::brief_wait offer; (root = for_canceller.exchange(nullptr)) == nullptr;) offer.pause();
        for (int pause = i % 23; pause > 0; --pause) concur::os::spin_pause();
        root->cancel();
        finished.fetch_add(1);
      }
    });
    crowd.run();
  }
  CHECK(passed.load() + cancelled.load() == times);
}

// One cancel of an outer scope meets many tasks in inner scopes that wait, go on, end and leave their scopes meanwhile.
TEST_CASE("cancellation: scopes come and go while a scope around them is cancelled", "[cancellation]") {
  int const times = 200;
  std::atomic<bool> wrong{false};
  for (int round = 0; round < times; ++round) {
    cancellation outer;
    std::atomic<bool> cancelling{false};
    std::thread canceller([&] {
      while (!cancelling.load()) concur::os::yield();
      for (int pause = round % 64; pause > 0; --pause) concur::os::spin_pause();
      outer.cancel();
    });
    bool cancelled = false;
    for (int i = 0; !cancelled; ++i) {
      if (i == 8) cancelling.store(true);
      auto const inner = std::make_unique<cancellation>(outer);
      {
        fake_task task;
        counted_operation operation;
        inner->add(task);
        task.show(operation);
        task.hide();
        inner->pass_canceller();
        inner->remove(task);
      }
      auto const innermost = std::make_unique<cancellation>(*inner);
      cancelled = outer.cancelled();
      if (cancelled && i % 2 == 0 && !cancellation(outer).cancelled()) wrong.store(true);
    }
    canceller.join();
  }
  CHECK_FALSE(wrong.load());
}

// The task is woken while a canceller is at work in its scope, and frees what it waited in when the canceller has done.
TEST_CASE("cancellation: an operation may go as soon as the canceller has been passed", "[cancellation]") {
  int const times = 500;
  std::atomic<cancellation*> offered{nullptr};
  std::atomic<int> cancelled{0};
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      std::optional<cancellation> scope(std::in_place);
      fake_task task;
      scope->add(task);
      offered.store(&*scope);
      bool more = true;
      while (more) {
        more = !scope->cancelled();
        auto operation = std::make_unique<counted_operation>();
        task.show(*operation);
        concur::os::light_barrier();
        task.hide();
        scope->pass_canceller();
      }
      while (cancelled.load() != i + 1) concur::os::yield();
      scope->remove(task);
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      cancellation* scope = nullptr;
      for (concur::brief_wait offer; (scope = offered.exchange(nullptr)) == nullptr;) offer.pause();
      scope->cancel();
      cancelled.fetch_add(1);
    }
  });
  crowd.run();
  SUCCEED();
}

TEST_CASE("cancellation: one cancel ends the waits of many tasks on several threads", "[cancellation]") {
  for (int round = 0; round < 200; ++round) {
    concur::event e;
    threads_executor pool(2);
    cancellation outer;
    std::vector<std::unique_ptr<root_task<void>>> roots;
    for (int i = 0; i < 8; ++i) {
      roots.push_back(std::make_unique<root_task<void>>(pool, wait_for(e), outer));
      roots.back()->start();
    }
    std::thread waker([&] {
      if (round % 2 == 0) e.set();
    });
    outer.cancel();
    for (auto const& root : roots) root->wait_until_done();
    waker.join();
    if (round % 2 == 0) continue;
    for (auto const& root : roots) REQUIRE(root->was_cancelled());
  }
}
