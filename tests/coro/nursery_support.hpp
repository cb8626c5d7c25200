// SPDX-License-Identifier: BSL-1.0
//
// What the tests of gather, groups and `with` share: a task cancelled at every point of its life, on a loop and in
// every order of what is ready.
#pragma once

#include "coro_support.hpp"

#include <concur/coro/yield.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/semaphore.hpp>

#include <utility>

namespace support::inline CONCUR_ABI {

struct failure {
  int number;
};

/// Says how many there are.
class alive {
 public:
  explicit alive(int& count) : count_(&count) { ++count; }
  alive(alive const& other) : count_(other.count_) { ++*count_; }
  alive& operator=(alive const&) = delete;
  ~alive() { --*count_; }

 private:
  int* count_;
};

inline concur::task<int> value_after(int yields, int value) {
  for (int i = 0; i < yields; ++i) co_await concur::yield();
  co_return value;
}
inline concur::task<int> fails_after(int yields, int number) {
  for (int i = 0; i < yields; ++i) co_await concur::yield();
  throw failure{number};
}
/// Until it is cancelled.
inline concur::task<int> waits_for_ever(int& ended) {
  concur::event never;
  try {
    co_await never.async_wait();
  } catch (concur::cancelled const&) {
    ++ended;
    throw;
  }
  co_return 0;
}

/// Lets a permit go when it ends, however that is.
class returned_permit {
 public:
  explicit returned_permit(concur::semaphore& permits) : permits_(permits) {}
  ~returned_permit() { permits_.release(); }
  returned_permit(returned_permit const&) = delete;
  returned_permit& operator=(returned_permit const&) = delete;

 private:
  concur::semaphore& permits_;
};

/// Takes a permit, holds it for a while, and returns it.
inline concur::task<int> uses_permit(concur::semaphore& permits, alive, int value) {
  co_await permits.async_acquire();
  returned_permit const back(permits);
  co_await concur::yield();
  co_return value;
}

/// Runs what `make()` gives, again and again: each time it is cancelled one step later, until it ends before that.
/// After each time `check(ended_with_value)`. A step is an item of a loop, so that a cancel comes before each wake and
/// between each wake and the resumption, or a batch of an executor whose tasks stand in a scope of several threads.
template <class Executor, class Step, class Make, class Check>
void cancel_at_every_step(order which, Step step, Make make, Check check) {
  for (int steps = 0;; ++steps) {
    INFO(which << ", cancelled after " << steps << " steps");
    Executor here(which);
    auto f = concur::spawn(here, make());
    for (int i = 0; i < steps; ++i) step(here);
    bool const in_time = f.cancel();
    here.run_all();
    REQUIRE(f.done());
    check(f.error() == nullptr);
    if (!in_time) break;
  }
}
template <class Make, class Check>
void cancel_at_every_step(Make make, Check check) {
  in_every_order([&](order which) {
    cancel_at_every_step<hand_loop>(which, [](hand_loop& here) { here.run_one(); }, make, check);
    cancel_at_every_step<queue_executor>(which, [](queue_executor& here) { here.run_ready(); }, make, check);
  });
}

/// Runs what `make()` gives with each of its allocations failing in turn: `std::bad_alloc` comes out.
template <class Make, class Check>
void fail_every_allocation(Make make, Check check) {
  if (!failing_new::available()) return;
  for (int k = 1;; ++k) {
    INFO("allocation " << k << " fails");
    hand_loop here;
    bool no_memory = false;
    bool happened = false;
    {
      failing_new const shortage(k);
      try {
        auto f = concur::spawn(here, make());
        here.run_all();
        f.get();
      } catch (std::bad_alloc const&) {
        no_memory = true;
      } catch (concur::multiple_errors const&) {
        no_memory = true;
      }
      happened = shortage.happened();
    }
    here.run_all();
    check();
    CHECK(no_memory == happened);
    if (!happened) break;
  }
}

}  // namespace support::inline CONCUR_ABI
