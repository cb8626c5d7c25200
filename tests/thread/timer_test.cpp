// SPDX-License-Identifier: BSL-1.0
#include <concur/thread/timer.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/hammer.hpp"
#include "../support/limits.hpp"
#include "../support/misuse.hpp"
#include "../support/test_executor.hpp"
#include "../support/test_task.hpp"

#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread_info.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace {

using namespace std::chrono_literals;
using concur::event;
using concur::semaphore;
using concur::timer;
using support::rounds;

static_assert(!std::is_copy_constructible_v<timer> && !std::is_copy_assignable_v<timer>);
static_assert(std::is_nothrow_move_constructible_v<timer> && std::is_nothrow_move_assignable_v<timer>);

std::atomic<int> reports{0};

struct counted_errors {
  counted_errors()
      : before_(concur::set_unhandled_error_hook([](std::exception_ptr const&, char const* where) {
          if (std::string(where) == "thread \"beat\"") ++reports;
        })) {
    reports = 0;
  }
  ~counted_errors() { concur::set_unhandled_error_hook(before_); }
  counted_errors(counted_errors const&) = delete;
  counted_errors& operator=(counted_errors const&) = delete;

 private:
  concur::unhandled_error_hook before_;
};

support::test_task<> await_end(timer& t, int& joined) {
  int const one = 1;
  co_await t.async_join();
  joined += one;
}

}  // namespace

TEST_CASE("timer: calls once, not before its time, with what it was given", "[timer]") {
  int sum = 0;
  auto const begin = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point called;
  timer t(
      2ms,
      [&](int& by_value, std::unique_ptr<int>& owned, int& by_reference) {
        called = std::chrono::steady_clock::now();
        by_reference = by_value + *owned;
      },
      1, std::make_unique<int>(2), std::ref(sum));
  t.join();
  CHECK(sum == 3);
  CHECK(called - begin >= 2ms);
  CHECK_FALSE(t.pending());
  CHECK_FALSE(t.cancel());
}

TEST_CASE("timer: without a delay, or with one that is over, it calls at once", "[timer]") {
  support::for_each_spent_duration([](char const* what, auto delay) {
    INFO(what);
    int calls = 0;
    timer t(delay, [&calls] { ++calls; });
    t.join();
    CHECK(calls == 1);
  });
  support::for_each_short_duration([](char const* what, auto delay) {
    INFO(what);
    int calls = 0;
    timer t(delay, [&calls] { ++calls; });
    t.join();
    CHECK(calls == 1);
  });
}

TEST_CASE("timer: one that is far away is cancelled at once", "[timer]") {
  auto const life = std::make_shared<int>(0);
  support::for_each_endless_duration([&](char const* what, auto delay) {
    INFO(what);
    {
      bool called = false;
      timer t(delay, [&called, life] { called = true; });
      CHECK(t.pending());
      CHECK_FALSE(t.try_join_for(0s));
      CHECK(t.cancel());
      CHECK_FALSE(t.pending());
      CHECK_FALSE(t.cancel());
      t.join();
      CHECK_FALSE(called);
      CHECK(life.use_count() == 1);
    }
    {
      bool called = false;
      {
        timer const dropped(delay, [&called] { called = true; });
      }
      CHECK_FALSE(called);
    }
    auto periodic = timer::every(delay, [life] {});
    CHECK(periodic.cancel());
    periodic.join();
  });
}

TEST_CASE("timer: a period that is not positive is misuse", "[timer]") {
  auto const threads = concur::thread_count();
  support::for_each_spent_duration([](char const* what, auto period) {
    INFO(what);
    CHECK(support::speaks_of(support::complaint_of([&] { static_cast<void>(timer::every(period, [] {})); }),
                             "needs a period longer than nothing"));
  });
  CHECK(concur::thread_count() == threads);
}

TEST_CASE("timer: cancelled during its call, or from it, it has been called", "[timer]") {
  event begun, gate;
  bool within = true;
  std::optional<timer> t;
  t.emplace(0ms, [&] {
    begun.set();
    gate.wait();
    within = t->cancel() || t->pending();
  });
  begun.wait();
  CHECK_FALSE(t->pending());
  CHECK_FALSE(t->cancel());
  CHECK_FALSE(t->try_join_for(0s));
  gate.set();
  t->join();
  CHECK_FALSE(within);
}

TEST_CASE("timer: either called or cancelled, also when both come together", "[timer]") {
  int called_first = 0;
  for (int round = 0; round < rounds(5'000); ++round) {
    std::atomic<int> calls{0};
    timer t(std::chrono::microseconds(round % 100), [&calls] { ++calls; });
    for (int pause = round % 200; pause > 0; --pause) concur::os::spin_pause();
    if (round % 2 == 0) concur::os::yield();
    bool const cancelled = t.cancel();
    t.join();
    REQUIRE(calls + int(cancelled) == 1);
    called_first += calls;
  }
  UNSCOPED_INFO(called_first << " were called");
  SUCCEED();
}

TEST_CASE("timer: of several that cancel one has done it", "[timer]") {
  for (int round = 0; round < rounds(500); ++round) {
    std::atomic<int> calls{0}, cancels{0};
    timer t(std::chrono::microseconds(round % 300), [&calls] { ++calls; });
    support::hammer crowd;
    crowd.add(3, [&] { cancels += int(t.cancel()); });
    crowd.run();
    t.join();
    REQUIRE(calls + cancels == 1);
  }
}

TEST_CASE("timer: made and dropped again and again, at every moment of its thread's beginning", "[timer]") {
  std::atomic<int> calls{0};
  for (int round = 0; round < rounds(50'000); ++round) {
    bool const periodic = round % 2 == 0;
    auto const t = periodic ? timer::every(1h, [&calls] { ++calls; }) : timer(1h, [&calls] { ++calls; });
    for (int pause = round % 256; pause > 0; --pause) concur::os::spin_pause();
  }
  CHECK(calls == 0);
}

TEST_CASE("timer: the destructor waits for the call that is under way", "[timer]") {
  for (bool const periodic : {false, true}) {
    event begun;
    bool ended = false;
    auto const call = [&] {
      begun.set();
      for (int i = 0; i < 200; ++i) std::this_thread::yield();
      ended = true;
    };
    {
      auto const t = periodic ? timer::every(1ms, call) : timer(0ms, call);
      begun.wait();
    }
    CHECK(ended);
  }
}

TEST_CASE("timer: destroyed by its own call, which goes on", "[timer]") {
  for (bool const periodic : {false, true}) {
    event made, over;
    std::atomic<int> calls{0};
    auto t = std::make_shared<std::optional<timer>>();
    auto call = [&, t] {
      ++calls;
      made.wait();
      t->reset();
      over.set();
    };
    if (periodic) {
      t->emplace(timer::every(1ms, std::move(call)));
    } else {
      t->emplace(0ms, std::move(call));
    }
    // This reference is the last but the one in the closure, which goes on the timer's thread.
    std::weak_ptr<std::optional<timer>> const watch = t;
    t.reset();
    made.set();
    over.wait();
    while (!watch.expired()) std::this_thread::yield();  // the closure is gone: no further call
    CHECK(calls == 1);
  }
}

TEST_CASE("timer: a periodic one calls again and again until it is cancelled", "[timer]") {
  semaphore calls(0);
  auto t = timer::every(1ms, [&calls] { calls.release(); });
  for (int i = 0; i < 5; ++i) calls.acquire();
  CHECK(t.pending());
  CHECK(t.cancel());
  CHECK_FALSE(t.cancel());
  CHECK_FALSE(t.pending());
  t.join();
  while (calls.try_acquire()) {
  }
  CHECK_FALSE(calls.try_acquire_for(5ms));
}

TEST_CASE("timer: a periodic one that cancels itself is not called again", "[timer]") {
  event made;
  std::optional<timer> t;
  int calls = 0, cancels = 0;
  t.emplace(timer::every(1ms, [&] {
    made.wait();
    if (++calls == 3) cancels += int(t->cancel()) + 10 * int(t->cancel());
  }));
  made.set();
  t->join();
  CHECK(calls == 3);
  CHECK(cancels == 1);
}

TEST_CASE("timer: a periodic one never calls more often than it beats, and leaves out what it missed", "[timer]") {
  using clock = std::chrono::steady_clock;
  constexpr auto period = 1ms;
  auto const begin = clock::now();
  event made;
  std::optional<timer> t;
  int calls = 0, too_many = 0;
  long left_out = 0;
  t.emplace(timer::every(period, [&] {
    made.wait();
    ++calls;
    if (calls + left_out > (clock::now() - begin) / period) ++too_many;
    if (calls % 4 == 0) {  // so long that several beats are missed; those that came and went in between are left out
      auto const entered = clock::now();
      while (clock::now() - entered < 5 * period) std::this_thread::yield();
      left_out += 4;
    }
    if (calls == 12) t->cancel();
  }));
  made.set();
  t->join();
  CHECK(calls == 12);
  CHECK(too_many == 0);
}

TEST_CASE("timer: what a call throws is reported, and a periodic one goes on", "[timer]") {
  counted_errors const hook;
  semaphore calls(0);
  auto t = timer::every(concur::thread_options().name("beat"), 1ms, [&calls] {
    calls.release();
    throw std::runtime_error("thrown");
  });
  for (int i = 0; i < 3; ++i) calls.acquire();
  CHECK(t.cancel());
  t.join();
  int const so_far = reports;
  CHECK(so_far >= 3);
  timer once(concur::thread_options().name("beat"), 0ms, [] { throw 1; });
  once.join();
  CHECK(reports == so_far + 1);
}

TEST_CASE("timer: a call that leaves by pthread_exit was the last one", "[timer]") {
  for (bool const periodic : {false, true}) {
    auto const call = [] { pthread_exit(nullptr); };
    auto t = periodic ? timer::every(1ms, call) : timer(0ms, call);
    t.join();
    CHECK_FALSE(t.pending());
    CHECK_FALSE(t.cancel());
  }
}

TEST_CASE("timer: all forms of join", "[timer]") {
  event gate;
  timer t(0ms, [&gate] { gate.wait(); });
  concur::os::stop_source source;
  source.request_stop();
  CHECK_FALSE(t.join(source.get_token()));
  CHECK_FALSE(t.try_join_for(1ms));
  CHECK_FALSE(t.try_join_until(std::chrono::system_clock::now()));
  support::queue_executor here;
  int joined = 0;
  auto const root = support::spawn(here, await_end(t, joined));
  here.run_all();
  CHECK(joined == 0);
  gate.set();
  here.run_until([&] { return root->done(); });
  CHECK(joined == 1);
  CHECK(t.join(source.get_token()));
  CHECK(t.try_join_for(0s));
  CHECK(t.try_join_until(std::chrono::steady_clock::now()));
  t.join();
}

TEST_CASE("timer: a join in its own call is misuse", "[timer]") {
  event made;
  bool refused = false;
  std::optional<timer> t;
  t.emplace(0ms, [&] {
    made.wait();
    try {
      t->join();
    } catch (concur::misuse const&) {
      refused = true;
    }
  });
  made.set();
  t->join();
  CHECK(refused);
}

TEST_CASE("timer: it moves, and an assignment cancels the one before", "[timer]") {
  std::atomic<int> calls{0};
  timer first(1h, [&calls] { ++calls; });
  timer second = std::move(first);
  CHECK_FALSE(first.pending());
  CHECK_FALSE(first.cancel());
  CHECK_THROWS_AS(first.join(), concur::misuse);
  CHECK(second.pending());
  second = timer(0ms, [&calls] { calls += 10; });
  second.join();
  CHECK(calls == 10);
  auto& same = second;
  second = std::move(same);
  second.join();
  first = timer(1h, [] {});
  CHECK(first.cancel());
}

TEST_CASE("timer: its thread has the options given, and the call the thread's stop token", "[timer]") {
  std::string name;
  semaphore calls(0);
  auto t = timer::every(concur::thread_options().name("heart"), 1ms, [&] {
    name = concur::this_thread::name();
    calls.release();
    event().wait(concur::this_thread::get_stop_token()) ? void() : calls.release();
  });
  calls.acquire();
  t.cancel();  // the call sees it
  calls.acquire();
  t.join();
  CHECK(name == "heart");

  // A daemon that was cancelled ends although nobody waits for it.
  auto const life = std::make_shared<int>(0);
  {
    timer const daemon(concur::thread_options().daemon(), 1h, [life] {});
  }
  while (life.use_count() != 1) std::this_thread::yield();
  SUCCEED();
}

TEST_CASE("timer: every allocation of its start may fail, and nothing is left", "[timer]") {
  int failures = 0;
  for (bool const periodic : {false, true}) {
    for (int k = 1;; ++k) {
      auto const given = std::make_shared<int>(1);
      std::optional<timer> t;
      bool happened = false;
      {
        support::failing_new const shortage(k);
        try {
          if (periodic) {
            t = timer::every(1h, [](std::shared_ptr<int> const&) {}, given);
          } else {
            t.emplace(1h, [](std::shared_ptr<int> const&) {}, given);
          }
        } catch (std::bad_alloc const&) {
        }
        happened = shortage.happened();
      }
      CHECK(t.has_value() != happened);
      if (t) {
        CHECK(t->cancel());
        t->join();
        t.reset();
      }
      CHECK(given.use_count() == 1);
      if (!happened) break;
      ++failures;
    }
  }
  if (support::failing_new::available()) CHECK(failures >= 4);
}
