// SPDX-License-Identifier: BSL-1.0
#include <concur/future/future.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/fake_fiber.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"
#include "future_support.hpp"

#include <concur/future/promise.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::outcome;
using concur::promise;
using support::counted_unhandled_errors;
using support::counted_value;
using support::failed_future;
using support::foreign_coroutine;
using support::numbered_error;
using support::queue_executor;
using support::ready_future;
using support::rounds;
using support::spawn;
using support::test_task;
using support::threads_executor;

static_assert(!std::is_copy_constructible_v<future<int>> && std::is_nothrow_move_constructible_v<future<int>>);
static_assert(sizeof(future<int>) == sizeof(void*));

test_task<int> await_value(future<int>& f) {
  int const value = co_await f;
  co_return value;
}

test_task<int> await_own(future<int> f) {
  int const value = co_await std::move(f);
  co_return value;
}

test_task<> await_void(future<void>& f, int& passed) {
  int const one = 1;
  co_await f;
  passed += one;
}

foreign_coroutine await_foreign(future<int>& f, int& got) {
  int const value = co_await f;
  got = value;
}

/// A future whose deriving state runs its work when somebody is about to block for it, as a pool's does.
class lazy_job final : public concur::future_state_with_room<int> {
 public:
  explicit lazy_job(int& times) : future_state_with_room(1), asked_(times) {}
  void about_to_block(concur::wait_limit const&) override {
    ++asked_;
    if (begin()) complete_with([] { return 7; });
  }

 private:
  int& asked_;
};

/// A loop's: its own thread must not block for it.
class loops_own final : public concur::future_state_with_room<int> {
 public:
  loops_own() : future_state_with_room(1) {}
  void about_to_block(concur::wait_limit const&) override { throw concur::misuse("the loop would wait for itself"); }
};

}  // namespace

TEST_CASE("future: without a state every use is misuse, but destruction and moves", "[future]") {
  future<int> f;
  CHECK_FALSE(f.valid());
  CHECK_THROWS_AS(f.get(), concur::misuse);
  CHECK_THROWS_AS(f.wait(), concur::misuse);
  CHECK_THROWS_AS((void)f.done(), concur::misuse);
  CHECK_THROWS_AS((void)f.wait_for(1s), concur::misuse);
  CHECK_THROWS_AS((void)f.error(), concur::misuse);
  CHECK_THROWS_AS(f.cancel(), concur::misuse);
  CHECK_THROWS_AS(f.on_done([](outcome<int> const&) {}), concur::misuse);
  CHECK_THROWS_AS(std::move(f).share(), concur::misuse);
  CHECK_THROWS_AS(std::move(f).then([](int) {}), concur::misuse);
  CHECK_THROWS_AS(f.operator co_await(), concur::misuse);
  auto full = ready_future<int>(3);
  f = std::move(full);
  CHECK(f.valid());
  CHECK_FALSE(full.valid());
  CHECK(f.get() == 3);
}

TEST_CASE("future: get gives the value once", "[future]") {
  auto f = ready_future<std::string>("text");
  CHECK(f.valid());
  CHECK(f.done());
  CHECK(f.get() == "text");
  CHECK_FALSE(f.valid());
  CHECK(f.done());
  CHECK_THROWS_AS(f.get(), concur::misuse);
}

TEST_CASE("future: move-only values, void, and values with a great alignment", "[future]") {
  CHECK(*ready_future<std::unique_ptr<int>>(std::make_unique<int>(5)).get() == 5);
  ready_future<void>().get();
  struct alignas(64) wide {
    int number = 9;
  };
  promise<wide> p;
  auto f = p.get_future();
  p.set_value();
  auto const got = f.get();
  CHECK(got.number == 9);
  f = future<wide>();
}

TEST_CASE("future: get throws the error, and error gives it without a throw", "[future]") {
  counted_unhandled_errors const hook;
  auto f = failed_future<int>(1);
  CHECK(f.done());
  CHECK(support::number_of(f.error()) == 1);
  CHECK_THROWS_AS(f.get(), numbered_error);
  CHECK_THROWS_AS(f.get(), concur::misuse);
  CHECK(ready_future<int>(1).error() == nullptr);
  CHECK_THROWS_AS(failed_future<void>(2).get(), numbered_error);
  CHECK(hook.count() == 0);
}

TEST_CASE("future: an error that was taken can still be asked for", "[future]") {
  counted_unhandled_errors const hook;
  std::stop_source const source;
  auto f = failed_future<int>(1);
  CHECK_THROWS_AS((void)f.get(source.get_token()), numbered_error);
  CHECK(support::number_of(f.error()) == 1);
  int shown = 0;
  f.on_done([&](outcome<int> const& how) { shown = support::number_of(how.error()); });
  CHECK(shown == 1);
  auto g = failed_future<int>(2);
  CHECK_THROWS_AS(g.get(), numbered_error);
  CHECK(support::number_of(g.error()) == 2);
  CHECK(hook.count() == 0);
}

// The order of the two is hidden from the thread sanitizer, as it is by libstdc++'s count of an exception's owners; see
// support/main.cpp.
TEST_CASE("future: an error may be freed by one who did not read it, after one who did", "[future]") {
  counted_unhandled_errors const hook;
  std::atomic<bool> handled{false};
  auto p = std::make_unique<promise<int>>();
  auto f = p->get_future();
  std::thread last_owner([&] {
    p->set_error(numbered_error{1});
    while (!handled.load(std::memory_order_relaxed)) std::this_thread::yield();
    p.reset();
  });
  int number = 0;
  try {
    static_cast<void>(f.get());
  } catch (numbered_error const& error) {
    f = {};
    number = error.number;
  }
  handled.store(true, std::memory_order_relaxed);
  last_owner.join();
  CHECK(number == 1);
  CHECK(hook.count() == 0);
}

TEST_CASE("future: an error nobody took reaches the hook once, when the last reference goes", "[future]") {
  counted_unhandled_errors const hook;
  SECTION("the future goes last") {
    {
      auto const f = failed_future<int>(1);
      CHECK(hook.count() == 0);
    }
    CHECK(hook.count() == 1);
  }
  SECTION("the promise goes last") {
    {
      promise<int> p;
      {
        auto const dropped = p.get_future();
      }
      p.set_error(numbered_error{1});
      CHECK(hook.count() == 0);
    }
    CHECK(hook.count() == 1);
  }
  SECTION("nobody ever had the future") {
    {
      promise<int> p;
      p.set_error(numbered_error{1});
    }
    CHECK(hook.count() == 1);
  }
  SECTION("who waits has not taken it") {
    {
      auto const f = failed_future<int>(1);
      f.wait();
      CHECK(f.wait_for(0s));
    }
    CHECK(hook.count() == 1);
  }
  SECTION("a callback has taken it") {
    {
      auto const f = failed_future<int>(1);
      f.on_done([](outcome<int> const&) {});
    }
    {
      promise<int> p;
      p.get_future().on_done([](outcome<int> const&) {});
      p.set_error(numbered_error{1});
    }
    CHECK(hook.count() == 0);
  }
  SECTION("a broken promise is an error like any other") {
    {
      auto const f = promise<int>().get_future();
    }
    CHECK(hook.count() == 1);
  }
  SECTION("nobody is told of a cancel") {
    {
      promise<int> p;
      auto const f = p.get_future();
      CHECK(f.cancel());
    }
    {
      promise<int> p;
      auto const f = p.get_future();
      p.set_error(concur::cancelled());
    }
    CHECK(hook.count() == 0);
  }
}

TEST_CASE("future: limits, in vain, at once and in time", "[future]") {
  counted_unhandled_errors const hook;  // of promises that are never kept
  promise<int> never;
  auto const pending = never.get_future();
  support::check_limits_in_vain([&](auto const& length) { return pending.wait_for(length); },
                                [&](auto const& moment) { return pending.wait_until(moment); });
  auto const done = ready_future<int>(1);
  support::check_limits_at_once([&](auto const& length) { return done.wait_for(length); },
                                [&](auto const& moment) { return done.wait_until(moment); }, [] {});
  std::optional<promise<int>> p;
  future<int> f;
  auto const take_away = [&] {
    p.emplace();
    f = p->get_future();
  };
  support::check_limits_in_time([&](auto const& length) { return f.wait_for(length); },
                                [&](auto const& moment) { return f.wait_until(moment); }, take_away,
                                [&] { p->set_value(1); });
}

TEST_CASE("future: a stop ends the wait, and the future can be read later", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  CHECK_FALSE(f.wait(source.get_token()));
  CHECK_FALSE(f.get(source.get_token()).has_value());
  stopper.join();
  p.set_value(4);
  CHECK(f.wait(source.get_token()));
  CHECK(f.get(source.get_token()) == 4);
  CHECK_THROWS_AS((void)f.get(source.get_token()), concur::misuse);
  CHECK(ready_future<void>().get(source.get_token()).has_value());
  CHECK_THROWS_AS((void)failed_future<int>(1).get(source.get_token()), numbered_error);
}

TEST_CASE("future: a limit that passes beside the value does not lose it", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  support::fake_fiber fiber([&] { p.set_value(1); }, support::fake_fiber::limit_passes);
  CHECK(fiber.run([&] { return f.wait_for(1s); }));
  CHECK(f.get() == 1);
}

TEST_CASE("future: a fiber is suspended instead of its thread", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  support::fake_fiber fiber([&] { p.set_value(6); });
  CHECK(fiber.run([&] { return f.get(); }) == 6);
  CHECK(fiber.parks() == 1);
}

TEST_CASE("future: cancel before the work begins completes it at once", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  CHECK_FALSE(p.cancelled());
  CHECK(f.cancel());
  CHECK(f.done());
  CHECK(p.cancelled());
  CHECK_FALSE(p.begin());
  CHECK_FALSE(p.try_set_value(1));
  p.set_value(1);  // nobody could have known
  p.set_error(numbered_error{1});
  CHECK_FALSE(f.cancel());
  CHECK_THROWS_AS(f.get(), concur::cancelled);
}

TEST_CASE("future: cancel of running work only asks", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  CHECK(p.begin());
  CHECK_FALSE(p.begin());
  CHECK(f.cancel());
  CHECK(f.cancel());
  CHECK_FALSE(f.done());
  CHECK(p.cancelled());
  p.set_value(5);
  CHECK_FALSE(f.cancel());
  CHECK(f.get() == 5);
}

TEST_CASE("future: cancel after the completion changes nothing", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  p.set_value(5);
  CHECK_FALSE(f.cancel());
  CHECK_FALSE(p.cancelled());
  CHECK(f.get() == 5);
}

TEST_CASE("future: callbacks run in order, on the completing thread or at once", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  std::string order;
  std::thread::id where;
  f.on_done([&](outcome<int> const& how) {
    order += std::to_string(how.value());
    where = std::this_thread::get_id();
  });
  f.on_done([&](outcome<int> const&) { order += "b"; });
  f.on_done([&](outcome<int> const&) { order += "c"; });
  CHECK(order.empty());
  std::thread completing([&] { p.set_value(1); });
  auto const id = completing.get_id();
  completing.join();
  CHECK(order == "1bc");
  CHECK(where == id);
  f.on_done([&](outcome<int> const& how) {
    order += std::to_string(how.value());
    where = std::this_thread::get_id();
  });
  CHECK(order == "1bc1");
  CHECK(where == std::this_thread::get_id());
  CHECK(f.get() == 1);
}

TEST_CASE("future: what a callback throws goes to the hook, and the others run", "[future]") {
  counted_unhandled_errors const hook;
  promise<int> p;
  auto f = p.get_future();
  int after = 0;
  f.on_done([](outcome<int> const&) { throw numbered_error{1}; });
  f.on_done([&](outcome<int> const&) { ++after; });
  p.set_value(1);
  CHECK(after == 1);
  CHECK(hook.count() == 1);
  f.on_done([](outcome<int> const&) { throw numbered_error{1}; });
  CHECK(hook.count() == 2);
  CHECK(f.get() == 1);
}

TEST_CASE("future: in its own callback it is done, but get is misuse", "[future]") {
  promise<int> p;
  auto f = p.get_future();
  int seen = 0;
  f.on_done([&](outcome<int> const& how) {
    CHECK(f.done());
    f.wait();
    CHECK(f.wait_for(0s));
    CHECK(f.error() == nullptr);
    CHECK_THROWS_AS(f.get(), concur::misuse);
    CHECK_THROWS_AS(f.operator co_await(), concur::misuse);
    CHECK_FALSE(f.cancel());
    f.on_done([&](outcome<int> const& again) { seen += again.value(); });
    seen += how.value();
  });
  p.set_value(2);
  CHECK(seen == 4);
  CHECK(f.get() == 2);
}

TEST_CASE("future: who waits for the value goes on after the callbacks", "[future]") {
  for (int round = 0; round < rounds(2000); ++round) {
    promise<std::string> p;
    auto f = p.get_future();
    std::string seen;
    f.on_done([&](outcome<std::string> const& how) { seen = how.value(); });
    std::thread producer([&] { p.set_value("a text too long for the small buffer"); });
    auto const got = f.get();
    CHECK(seen == got);
    producer.join();
  }
}

TEST_CASE("future: a callback may destroy the future and the promise", "[future]") {
  auto p = std::make_unique<promise<counted_value>>();
  auto f = std::make_unique<future<counted_value>>(p->get_future());
  int seen = 0;
  f->on_done([&](outcome<counted_value> const& how) {
    f.reset();
    seen = how.value().value();
  });
  f->on_done([&](outcome<counted_value> const& how) { seen += how.value().value(); });
  p->set_value(8);
  CHECK(seen == 16);
  p.reset();
  CHECK(counted_value::alive() == 0);

  auto done = std::make_unique<future<counted_value>>(ready_future<counted_value>(3));
  done->on_done([&](outcome<counted_value> const& how) {
    done.reset();
    seen = how.value().value();
  });
  CHECK(seen == 3);
  CHECK(counted_value::alive() == 0);

  auto q = std::make_unique<promise<counted_value>>();
  auto g = std::make_unique<future<counted_value>>(q->get_future());
  g->on_done([&](outcome<counted_value> const&) {
    g.reset();
    q.reset();
  });
  CHECK(g->cancel());
  CHECK(g == nullptr);
}

TEST_CASE("future: values and callbacks are destroyed once, wherever it ends", "[future]") {
  counted_unhandled_errors const hook;
  {
    auto taken = ready_future<counted_value>(1);
    CHECK(taken.get().value() == 1);
    auto const not_taken = ready_future<counted_value>(2);
    promise<counted_value> detached;
    {
      auto const dropped = detached.get_future();
    }
    detached.set_value(3);
    promise<int> p;
    auto f = p.get_future();
    f.on_done([value = counted_value(4)](outcome<int> const&) { CHECK(value.value() == 4); });
    f.on_done([value = counted_value(5)](outcome<int> const&) { throw numbered_error{value.value()}; });
    p.set_value(0);
    promise<int> never;
    never.get_future().on_done([value = counted_value(6)](outcome<int> const& how) { CHECK_FALSE(how); });
  }
  CHECK(hook.count() == 1);
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("future: a task awaits it, before and after it is done", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  auto const root = spawn(here, await_value(f));
  here.run_ready();
  CHECK_FALSE(root->done());
  p.set_value(11);
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == 11);
  CHECK_FALSE(f.valid());

  auto const at_once = spawn(here, await_own(ready_future<int>(12)));
  here.run_ready();
  CHECK(at_once->result() == 12);

  counted_unhandled_errors const hook;
  auto const failing = spawn(here, await_own(failed_future<int>(3)));
  here.run_ready();
  CHECK(support::number_of(failing->error()) == 3);
  CHECK(hook.count() == 0);

  int passed = 0;
  auto nothing = ready_future<void>();
  auto const for_void = spawn(here, await_void(nothing, passed));
  here.run_ready();
  CHECK(for_void->done());
  CHECK(passed == 1);
}

TEST_CASE("future: a coroutine of a foreign type awaits it on its thread's executor", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  int got = 0;
  concur::executor_scope const on(here);
  auto const waiting = await_foreign(f, got);
  CHECK_FALSE(waiting.done());
  p.set_value(5);
  CHECK(got == 0);
  here.run_until([&] { return waiting.done(); });
  CHECK(got == 5);
}

TEST_CASE("future: cancelling the task that awaits cancels the future and waits for its end", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  SECTION("work that has not begun never begins") {
    auto const root = spawn(here, await_value(f));
    here.run_ready();
    root->cancel();
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
    CHECK(p.cancelled());
    CHECK_FALSE(p.begin());
  }
  SECTION("running work is waited for, and its value beats the cancel") {
    CHECK(p.begin());
    auto const root = spawn(here, await_value(f));
    here.run_ready();
    root->cancel();
    here.run_ready();
    CHECK(p.cancelled());
    CHECK_FALSE(root->done());
    p.set_value(4);
    here.run_until([&] { return root->done(); });
    CHECK(root->result() == 4);
  }
  SECTION("running work that gives up") {
    CHECK(p.begin());
    auto const token = p.get_stop_token();
    auto const root = spawn(here, await_value(f));
    here.run_ready();
    root->cancel();
    here.run_ready();
    CHECK(token.stop_requested());
    CHECK_FALSE(root->done());
    p.set_error(concur::cancelled());
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
  }
  SECTION("another error of the cancelled work is thrown as it is") {
    CHECK(p.begin());
    auto const root = spawn(here, await_value(f));
    here.run_ready();
    root->cancel();
    here.run_ready();
    p.set_error(numbered_error{2});
    here.run_until([&] { return root->done(); });
    CHECK(support::number_of(root->error()) == 2);
  }
  SECTION("in a task that is cancelled already") {
    CHECK(p.begin());
    auto const root = spawn(here, await_value(f));
    root->cancel();
    here.run_ready();
    CHECK(p.cancelled());
    CHECK_FALSE(root->done());
    p.set_value(4);
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
    CHECK(f.get() == 4);
  }
  SECTION("in a task that is cancelled already, of a future that is done") {
    p.set_value(4);
    auto const root = spawn(here, await_value(f));
    root->cancel();
    here.run_until([&] { return root->done(); });
    CHECK(root->was_cancelled());
    CHECK_FALSE(p.cancelled());
    CHECK(f.get() == 4);
  }
}

namespace {

test_task<int> await_beside_cancel(future<int>& f) {
  auto const make = [&f] { return f.operator co_await(); };
  support::cancel_before_publish operation(make);
  int const value = co_await operation;
  co_return value;
}

}  // namespace

TEST_CASE("future: a cancel between the decision to wait and the wait", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  auto const root = spawn(here, await_beside_cancel(f));
  here.run_until([&] { return root->done(); });
  CHECK(root->was_cancelled());
  CHECK(p.cancelled());
}

TEST_CASE("future: a value set between a cancel and the step that follows it is not lost", "[future]") {
  queue_executor here;
  promise<int> p;
  auto f = p.get_future();
  auto const root = spawn(here, await_value(f));
  here.run_ready();
  root->cancel();
  p.set_value(9);
  here.run_until([&] { return root->done(); });
  CHECK(root->result() == 9);
}

TEST_CASE("future: its state is told before a thread blocks for it", "[future]") {
  int asked = 0;
  future<int> f(concur::adopt_state, *new lazy_job(asked));
  CHECK_FALSE(f.wait_for(0s));
  CHECK(asked == 0);
  CHECK(f.get() == 7);
  CHECK(asked == 1);

  future<int> own(concur::adopt_state, *new loops_own());
  CHECK_THROWS_AS(own.get(), concur::misuse);
  CHECK_THROWS_AS(own.wait(), concur::misuse);
  CHECK(own.cancel());
  CHECK_THROWS_AS(own.get(), concur::cancelled);
}

TEST_CASE("future: without memory nothing changes", "[future]") {
  if (!support::failing_new::available()) return;
  for (int k = 1;; ++k) {
    std::optional<promise<int>> p;
    int called = 0;
    bool made = false;
    bool happened = false;
    {
      support::failing_new const shortage(k);
      try {
        p.emplace();
        made = true;
        auto const f = p->get_future();
        f.on_done([&called, big = std::array<char, 2000>()](outcome<int> const&) { called += 1 + big[0]; });
        (void)p->get_stop_token();
      } catch (std::bad_alloc const&) {
      }
      happened = shortage.happened();
    }
    if (made) p->set_value(1);
    if (!happened) {
      CHECK(called == 1);
      break;
    }
    REQUIRE(k < 20);
  }
}

TEST_CASE("future: set beside get, cancel and drop, many times", "[future]") {
  support::weather const with_and_without_signals(GENERATE(false, true));
  int const times = rounds(100'000);
  struct round {
    promise<counted_value> p;
    future<counted_value> f = p.get_future();
  };
  counted_unhandled_errors const hook;
  std::atomic<int> wrong{0};
  {
    // A window of rounds, so that producer and consumer meet in each.
    std::vector<std::unique_ptr<round>> all(std::size_t{unsigned(times)});
    for (auto& each : all) each = std::make_unique<round>();
    std::atomic<std::size_t> produced{0};
    std::atomic<std::size_t> consumed{0};
    support::hammer crowd;
    crowd.add([&] {
      for (std::size_t i = 0; i < all.size(); ++i) {
        while (consumed.load(std::memory_order_acquire) + 4 < i) std::this_thread::yield();
        promise<counted_value> p = std::move(all[i]->p);
        produced.store(i + 1, std::memory_order_release);
        switch (i % 5) {
          case 0:
          case 1: p.set_value(int(i)); break;
          case 2:
            if (p.begin()) p.set_value(int(i));
            break;
          case 3: p.set_error(numbered_error{int(i)}); break;
          default: break;  // broken
        }
      }
    });
    crowd.add([&] {
      for (std::size_t i = 0; i < all.size(); ++i) {
        while (produced.load(std::memory_order_acquire) <= i) {
        }
        auto f = std::move(all[i]->f);
        std::atomic<int> called{0};
        bool const with_callback = i % 3 == 0;
        if (with_callback) f.on_done([&called](outcome<counted_value> const&) { called.fetch_add(1); });
        bool const cancelled_first = i % 7 == 1 && f.cancel();
        if (i % 11 == 2 && !with_callback) {
          f = future<counted_value>();
        } else {
          try {
            if (f.get().value() != int(i)) ++wrong;
            if (i % 5 > 2) ++wrong;
          } catch (numbered_error const& error) {
            if (error.number != int(i) || i % 5 != 3) ++wrong;
          } catch (concur::broken_promise const&) {
            if (i % 5 != 4) ++wrong;
          } catch (concur::cancelled const&) {
            if (!cancelled_first) ++wrong;
          }
          if (called.load() != (with_callback ? 1 : 0)) ++wrong;
        }
        consumed.store(i + 1, std::memory_order_release);
      }
    });
    crowd.run();
  }
  CHECK(wrong.load() == 0);
  CHECK(counted_value::alive() == 0);
}

TEST_CASE("future: tasks on a pool await while others set and cancel", "[future]") {
  int const times = rounds(20'000);
  counted_unhandled_errors const hook;  // of errors that a cancelled task did not take
  std::atomic<int> wrong{0};
  {
    threads_executor pool(2);
    support::hammer crowd;
    crowd.add([&] {
      for (int i = 0; i < times; ++i) {
        promise<int> p;
        auto const root = spawn(pool, await_own(p.get_future()));
        if (i % 3 == 0) root->cancel();
        if (i % 2 == 0) {
          p.set_value(i);
        } else if (p.begin()) {
          p.set_error(numbered_error{i});
        }
        {
          promise<int> const gone = std::move(p);
        }
        root->wait_until_done();
        if (root->was_cancelled()) {
          if (i % 3 != 0) ++wrong;
        } else if (i % 2 == 0 ? root->result() != i : support::number_of(root->error()) != i) {
          ++wrong;
        }
      }
    });
    crowd.run();
  }
  CHECK(wrong.load() == 0);
}
