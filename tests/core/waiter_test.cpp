// SPDX-License-Identifier: BSL-1.0
#include <concur/core/waiter.hpp>

#include "../support/catch.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/test_executor.hpp"

#include <atomic>
#include <thread>

namespace {

using concur::task_context;
using concur::waiter;
using concur::wake_reason;
using support::queue_executor;
using support::rounds;

static_assert(!std::is_copy_constructible_v<waiter> && !std::is_copy_assignable_v<waiter>);

// A task that counts how often it was resumed.
class counting_task final : public task_context {
 public:
  counting_task(concur::executor& where, concur::cancellation& scope) : task_context(&run, where, scope) {}
  int runs = 0;

 private:
  static void run(concur::work& self) noexcept { ++static_cast<counting_task&>(self).runs; }
};

class callback final : public concur::party {
 public:
  void wake(waiter& woken, wake_reason why) noexcept override {
    which = &woken;
    reason = why;
    ++calls;
  }
  wake_reason park(waiter&, concur::time_point) noexcept override { return wake_reason::none; }

  waiter* which = nullptr;
  wake_reason reason = wake_reason::none;
  int calls = 0;
};

}  // namespace

TEST_CASE("waiter: a thread that was woken before does not sleep", "[waiter]") {
  for (auto const reason : {wake_reason::retry, wake_reason::granted, wake_reason::stopped}) {
    waiter me;
    CHECK(me.is_thread());
    CHECK_FALSE(me.is_task());
    CHECK_FALSE(me.refused());
    CHECK(me.reason() == wake_reason::none);
    me.wake(reason);
    CHECK(me.park() == reason);
    CHECK(me.park(concur::at_once) == reason);
    CHECK(me.finish() == reason);
    me.reuse();
    CHECK(me.reason() == wake_reason::none);
  }
}

TEST_CASE("waiter: a thread that nobody wakes is back at its deadline, and may be woken after it", "[waiter]") {
  waiter me;
  CHECK(me.park(concur::at_once) == wake_reason::none);
  CHECK(me.park(concur::time_point()) == wake_reason::none);
  auto const deadline = concur::os::clock::now() + std::chrono::milliseconds(2);
  CHECK(me.park(deadline) == wake_reason::none);
  CHECK(concur::os::clock::now() >= deadline);
  CHECK(me.park(deadline) == wake_reason::none);
  me.wake(wake_reason::granted);
  CHECK(me.finish() == wake_reason::granted);
}

TEST_CASE("waiter: no wake is lost between a thread's last look and its sleep, and the waiter may go at once",
          "[waiter]") {
  std::atomic<waiter*> offered{nullptr};
  int const times = rounds(100'000);
  std::atomic<int> wrong{0};
  support::weather const with_and_without_signals(GENERATE(false, true));
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      waiter me;
      offered.store(&me);
      for (int delay = i % 61; delay > 0; --delay) std::atomic_signal_fence(std::memory_order_seq_cst);
      auto why = wake_reason::none;
      switch (i % 3) {
        case 0: why = me.park(concur::os::never, {0, 0}); break;
        case 1: why = me.park(); break;
        default:
          // Its deadline passes again and again.
          do why = me.park(concur::os::clock::now() + std::chrono::nanoseconds(100), {0, 0});
          while (why == wake_reason::none && i % 2 == 0);
          if (why == wake_reason::none) why = me.finish();
      }
      if (why != wake_reason::granted) wrong.fetch_add(1);
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      waiter* other = nullptr;
      for (concur::brief_wait offer; (other = offered.exchange(nullptr)) == nullptr;) offer.pause();
      other->wake(wake_reason::granted);
    }
  });
  crowd.run();
  CHECK(wrong.load() == 0);
}

TEST_CASE("waiter: a wake makes visible what was written before it", "[waiter]") {
  std::atomic<waiter*> offered{nullptr};
  int written = 0;
  int wrong = 0;
  int const times = rounds(50'000);
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 1; i <= times; ++i) {
      waiter me;
      offered.store(&me);
      me.park(concur::os::never, {i % 2 == 0 ? 32 : 0, 0});
      if (written != i) ++wrong;
    }
  });
  crowd.add([&] {
    for (int i = 1; i <= times; ++i) {
      waiter* other = nullptr;
      for (concur::brief_wait offer; (other = offered.exchange(nullptr)) == nullptr;) offer.pause();
      written = i;
      other->wake(wake_reason::granted);
    }
  });
  crowd.run();
  CHECK(wrong == 0);
}

TEST_CASE("waiter: a task is posted once to its executor, with the reason", "[waiter]") {
  queue_executor here;
  concur::cancellation scope;
  counting_task task(here, scope);
  waiter sleeping(task);
  CHECK(sleeping.is_task());
  CHECK_FALSE(sleeping.is_thread());
  sleeping.wake(wake_reason::granted);
  CHECK(task.runs == 0);
  CHECK(sleeping.reason() == wake_reason::granted);
  CHECK(here.run_all() == 1);
  CHECK(task.runs == 1);
}

TEST_CASE("waiter: a cancelled task must not wait, unless the wait cannot be cancelled", "[waiter]") {
  queue_executor here;
  concur::cancellation scope;
  counting_task task(here, scope);
  waiter sleeping(task);
  CHECK_FALSE(sleeping.refused());
  scope.cancel();
  CHECK(sleeping.refused());
  sleeping.bind(task, waiter::manner::uncancellable);
  CHECK_FALSE(sleeping.refused());
  CHECK(sleeping.is_task());
  sleeping.wake(wake_reason::granted);
  CHECK(here.run_all() == 1);
  sleeping.bind(task, waiter::manner::announced);
  CHECK(sleeping.refused());
}

TEST_CASE("waiter: an announced task that is woken before it sleeps is not posted", "[waiter]") {
  queue_executor here;
  concur::cancellation scope;
  counting_task task(here, scope);
  waiter announced(nullptr);
  announced.bind(task, waiter::manner::announced);
  announced.wake(wake_reason::retry);
  CHECK_FALSE(announced.sleep());
  CHECK(announced.reason() == wake_reason::retry);
  CHECK(announced.finish() == wake_reason::retry);
  CHECK(here.run_all() == 0);

  announced.reuse();
  CHECK(announced.sleep());
  announced.wake(wake_reason::stopped);
  CHECK(announced.reason() == wake_reason::stopped);
  CHECK(here.run_all() == 1);
}

TEST_CASE("waiter: a callback is told once, with waiter and reason", "[waiter]") {
  callback told;
  waiter registered(&told);
  CHECK_FALSE(registered.is_thread());
  CHECK_FALSE(registered.is_task());
  CHECK_FALSE(registered.refused());
  registered.wake(wake_reason::stopped);
  CHECK(told.calls == 1);
  CHECK(told.which == &registered);
  CHECK(told.reason == wake_reason::stopped);
}

TEST_CASE("waiter: on a fiber it is the fiber that waits", "[waiter]") {
  waiter* waiting = nullptr;
  support::fake_fiber fiber([&] { waiting->wake(wake_reason::granted); });
  auto const deadline = concur::os::clock::now() + std::chrono::hours(1);
  auto const why = fiber.run([&] {
    waiter me;
    waiting = &me;
    CHECK_FALSE(me.is_thread());
    return me.park(deadline);
  });
  CHECK(why == wake_reason::granted);
  CHECK(fiber.parks() == 1);
  CHECK(fiber.last_deadline() == deadline);
  CHECK(waiter().is_thread());
}

TEST_CASE("waiter: the party is the task, else the fiber, else the thread", "[waiter]") {
  void const* const thread = concur::current_party();
  CHECK(thread == concur::current_party());
  void const* other_thread = nullptr;
  std::thread([&] { other_thread = concur::current_party(); }).join();
  CHECK(other_thread != thread);

  queue_executor here;
  concur::cancellation scope;
  counting_task task(here, scope);
  support::fake_fiber fiber([] {});
  fiber.run([&] {
    CHECK(concur::current_party() == static_cast<concur::party*>(&fiber));
    concur::current_task_scope const running(task);
    CHECK(concur::current_party() == &task);
  });
  CHECK(concur::current_party() == thread);
}

TEST_CASE("waiter: how long it has waited is told apart within a tick, and over the wrap of its counter", "[waiter]") {
  using namespace std::chrono;
  waiter me;
  for (auto const begin : {concur::time_point(), concur::time_point(71min + 34s), concur::os::clock::now()}) {
    me.set_since(begin);
    CHECK_FALSE(me.has_waited(1000us, begin));
    CHECK_FALSE(me.has_waited(1000us, begin + 998us));
    CHECK(me.has_waited(1000us, begin + 1001us));
    CHECK(me.has_waited(1000us, begin + 1h));
  }
}
