// SPDX-License-Identifier: BSL-1.0
//
// The timers of whole pools: one of the workers always has to sleep until the next is due, whoever that is.
#include <concur/pool/thread_pool.hpp>

#include "support/bounded.hpp"

#include <concur/core/timer_heap.hpp>
#include <concur/sync/event.hpp>

#include <chrono>
#include <optional>

namespace {

using concur::event;
using concur::thread_pool;
using explored::counted;
using explored::preemptions;
using explored::registration;
using explored::testing::check;
using explored::testing::scenario;
using namespace std::chrono_literals;
using concur::os::clock;

/// Notes when it ran. In virtual time, which jumps to the next deadline only when nobody can run.
class alarm : public concur::work {
 public:
  alarm() noexcept : work(&ring) {}

  void arm(thread_pool& pool, clock::duration after) {
    due_ = clock::now() + after;
    pool.get_executor().arm(*this, due_);
  }

  /// When it has rung.
  void wait() { rang.wait(); }
  bool in_time() const { return at_.get() >= due_ && at_.get() < due_ + 1s; }

  event rang;

 private:
  static void ring(work& self) noexcept {
    auto& mine = static_cast<alarm&>(self);
    mine.at_.set(clock::now());
    mine.rang.set();
  }

  clock::time_point due_{};
  concur::os::plain<clock::time_point> at_{clock::time_point()};
};

registration const armed(
    "pool_timers", "armed beside a worker that goes to sleep",
    [] {
      alarm only;
      thread_pool pool(1);
      only.arm(pool, 10s);
      only.wait();
      check(only.in_time(), "it did not ring in time");
    },
    preemptions(3, 0, 1));

registration const armed_in_the_past(
    "pool_timers", "armed for a moment that has passed",
    [] {
      alarm only;
      thread_pool pool(1);
      only.arm(pool, -10s);
      only.wait();
    },
    preemptions(3));

registration const earlier(
    "pool_timers", "an earlier one beside a worker that goes to sleep until a later one",
    [] {
      alarm later;
      alarm sooner;
      thread_pool pool(1);
      later.arm(pool, 100s);
      sooner.arm(pool, 10s);
      sooner.wait();
      check(sooner.in_time(), "it rang with the later one only");
      later.wait();
      check(later.in_time(), "it did not ring in time");
    },
    preemptions(2));

registration const taken_back(
    "pool_timers", "one that is taken back, and one that stays",
    [] {
      alarm first;
      alarm second;
      thread_pool pool(1);
      first.arm(pool, 10s);
      second.arm(pool, 20s);
      // Its time has not come, as long as others can run.
      check(pool.get_executor().disarm(first), "it was armed");
      second.wait();
      check(second.in_time() && !first.rang.is_set(), "the wrong one rang");
    },
    preemptions(2));

// The worker that slept until then goes to work; so the other one has to be told of the timer.
registration const keeper_at_work(
    "pool_timers", "armed, then a job for the worker that would have rung",
    [] {
      alarm only;
      thread_pool pool(2);
      only.arm(pool, 10s);
      pool.submit([&] { only.wait(); }).get();
      check(only.in_time(), "it did not ring in time");
    },
    preemptions(1));

registration const armed_beside_job(
    "pool_timers", "armed beside a job that holds a worker",
    [](scenario& s) {
      auto& pool = s.make<std::optional<thread_pool>>(std::in_place, 2);
      auto& only = s.make<alarm>();
      auto& held = s.make<event>();
      s.thread("holder", [&] {
        pool->submit([&] { only.wait(); }).get();
        held.set();
      });
      s.thread("owner", [&] {
        only.arm(*pool, 10s);
        held.wait();
        check(only.in_time(), "it did not ring in time");
        pool.reset();
      });
    },
    preemptions(1));

// Whoever finds the first one due goes to work with it, for as long as the other worker does not ring the second.
class patient : public concur::work {
 public:
  explicit patient(alarm& awaited) noexcept : work(&run_item), awaited_(awaited) {}

  event ended;

 private:
  static void run_item(work& self) noexcept {
    auto& mine = static_cast<patient&>(self);
    mine.awaited_.wait();
    mine.ended.set();
  }

  alarm& awaited_;
};

registration const one_waits_for_another(
    "pool_timers", "two, and the first one's item waits for the second",
    [] {
      alarm second;
      patient first(second);
      thread_pool pool(2);
      pool.get_executor().arm(first, clock::now() + 10s);
      second.arm(pool, 20s);
      first.ended.wait();
      check(second.in_time(), "it did not ring in time");
    },
    preemptions(1));

// Who comes too late to take it back knows that it rings.
registration const taken_back_when_due(
    "pool_timers", "taken back beside the worker that finds it due",
    [] {
      alarm only;
      thread_pool pool(1);
      only.arm(pool, 0s);
      bool const in_time = pool.get_executor().disarm(only);
      if (!in_time) only.wait();
      pool.shutdown();
      check(only.rang.is_set() != in_time, "taken back and rung, or neither");
    },
    preemptions(3, 0, 1));

// Two workers may find the same one due.
registration const rings_once(
    "pool_timers", "due beside two workers that look",
    [] {
      alarm only;
      counted run;
      thread_pool pool(2);
      pool.post([&] { run.add(); });
      only.arm(pool, 0s);
      only.wait();
    },
    preemptions(1));

}  // namespace

TEST_CASE("pool_timers: every schedule") { explored::run("pool_timers"); }
