// SPDX-License-Identifier: BSL-1.0
#include <concur/sync/barrier.hpp>

#include "../support/misuse.hpp"
#include "destroyed_when_woken.hpp"
#include "lock_contract.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using concur::barrier;
using concur::broken_barrier;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;
using support::complaint_of;
using support::foreign_coroutine;
using support::queue_executor;
using support::ready_order;
using support::root_task;
using support::rounds;
using support::spawn;
using support::speaks_of;
using support::test_task;
using support::threads_executor;

constinit barrier<> in_static_storage(2);
static_assert(CONCUR_CHECKED || std::is_trivially_destructible_v<barrier<>>);
static_assert(sizeof(barrier<>) == 24);
static_assert(!std::is_copy_constructible_v<barrier<>> && !std::is_copy_assignable_v<barrier<>>);
static_assert(std::is_same_v<decltype(barrier(3)), barrier<>>);

// How the wait of a task ended.
enum class ending { pending, passed, broken };

struct party_log {
  ending how = ending::pending;
  std::size_t index = SIZE_MAX;
};

template <class Barrier>
test_task<> meet(Barrier& b, party_log& log) {
  std::size_t index = 0;
  try {
    index = co_await b.async_arrive_and_wait();
    log.index = index;
    log.how = ending::passed;
  } catch (broken_barrier const&) {
    log.how = ending::broken;
  }
}

// Tasks that arrive one after the other when `here` runs.
template <class Barrier>
class crowd_of_tasks {
 public:
  crowd_of_tasks(queue_executor& here, Barrier& b, std::size_t count) : logs_(count) {
    for (auto& log : logs_) roots_.push_back(spawn(here, meet(b, log)));
  }

  party_log const& operator[](std::size_t i) const { return logs_[i]; }
  root_task<void>& root(std::size_t i) { return *roots_[i]; }
  std::size_t count(ending how) const {
    return std::size_t(std::count_if(logs_.begin(), logs_.end(), [how](auto const& each) { return each.how == how; }));
  }
  bool all(ending how) const { return count(how) == logs_.size(); }

 private:
  std::vector<party_log> logs_;
  std::vector<std::unique_ptr<root_task<void>>> roots_;
};

}  // namespace

TEST_CASE("barrier: made for no parties or less, it throws", "[barrier][misuse]") {
  for (std::ptrdiff_t const parties : {std::ptrdiff_t{0}, std::ptrdiff_t{-1}, PTRDIFF_MIN}) {
    CHECK(complaint_of([=] { barrier b(parties); }) == "a barrier was made for no parties, or for less than none");
    CHECK(speaks_of(complaint_of([=] { barrier b(parties, [] {}); }), "made for no parties"));
  }
}

TEST_CASE("barrier: a single party passes at once", "[barrier]") {
  barrier b(1);
  CHECK(b.parties() == 1);
  for (int i = 0; i < 3; ++i) CHECK(b.arrive_and_wait() == 0);
  CHECK(b.waiting() == 0);
  CHECK_FALSE(b.broken());
}

TEST_CASE("barrier: nobody passes before all have arrived, phase after phase, and each has the index of its arrival",
          "[barrier]") {
  auto const order = GENERATE(ready_order::first_in_first_out, ready_order::last_in_first_out, ready_order::shuffled);
  barrier b(4);
  queue_executor here(order);
  for (int phase = 0; phase < 3; ++phase) {
    crowd_of_tasks first(here, b, 2);
    here.run_all();
    CHECK(b.waiting() == 2);
    crowd_of_tasks third(here, b, 1);
    here.run_all();
    CHECK(b.waiting() == 3);
    CHECK(first.all(ending::pending));
    CHECK(third.all(ending::pending));
    CHECK(b.arrive_and_wait() == 3);
    CHECK(b.waiting() == 0);
    here.run_all();
    CHECK(first.all(ending::passed));
    CHECK(third[0].index == 2);
    CHECK(first[0].index + first[1].index == 1);
    if (order == ready_order::first_in_first_out) CHECK(first[0].index == 0);
  }
}

namespace {

constexpr std::size_t everybody = 5;

// What everybody does in every phase, and what they find who have passed. Two phases are in use at a time: nobody can
// begin the one after the next before all have passed the next.
struct meeting {
  explicit meeting(int times) : phases(times) {}

  void arrive(std::size_t who, int phase) { written[half_of(phase)][who] = phase; }
  void leave(std::size_t who, int phase, std::size_t index) {
    for (int each : written[half_of(phase)]) wrong += each != phase;
    indices[half_of(phase)][who] = index;
    // All have passed the phase before this one, and written their indices.
    if (index == 0 && phase > 0) {
      auto seen = indices[half_of(phase - 1)];
      std::sort(seen.begin(), seen.end());
      for (std::size_t i = 0; i < everybody; ++i) wrong += seen[i] != i;
    }
  }

  static std::size_t half_of(int phase) { return unsigned(phase) % 2; }

  int const phases;
  barrier<> b{everybody};
  std::array<std::array<int, everybody>, 2> written{};
  std::array<std::array<std::size_t, everybody>, 2> indices{};
  std::atomic<int> wrong{0};
};

test_task<> take_part(meeting& m, std::size_t who) {
  for (int phase = 0; phase < m.phases; ++phase) {
    m.arrive(who, phase);
    std::size_t const index = co_await m.b.async_arrive_and_wait();
    m.leave(who, phase, index);
  }
}

}  // namespace

TEST_CASE("barrier: threads and tasks meet a hundred thousand times", "[barrier]") {
  bool const signals = GENERATE(false, true);
  support::weather const with_and_without_signals(signals);
  meeting m(rounds(100'000));
  {
    threads_executor pool(2);
    queue_executor here;
    auto const on_pool = spawn(pool, take_part(m, 0));
    auto const on_queue = spawn(here, take_part(m, 1));
    support::hammer crowd;
    crowd.add([&] {
      for (int phase = 0; phase < m.phases; ++phase) {
        m.arrive(2, phase);
        m.leave(2, phase, m.b.arrive_and_wait());
      }
    });
    crowd.add([&] {
      for (int phase = 0; phase < m.phases; ++phase) {
        m.arrive(3, phase);
        m.leave(3, phase, m.b.arrive_and_wait_for(hours(1)).value_or(SIZE_MAX));
      }
    });
    crowd.add([&] {
      concur::os::stop_source never;
      for (int phase = 0; phase < m.phases; ++phase) {
        m.arrive(4, phase);
        m.leave(4, phase, m.b.arrive_and_wait(never.get_token()).value_or(SIZE_MAX));
      }
    });
    crowd.add([&] { here.run_until([&] { return on_queue->done(); }); });
    crowd.run();
    on_pool->wait_until_done();
    CHECK_FALSE(on_pool->error());
    CHECK_FALSE(on_queue->error());
  }
  CHECK(m.wrong.load() == 0);
  CHECK(m.b.waiting() == 0);
  CHECK_FALSE(m.b.broken());
}

TEST_CASE("barrier: time limits of every kind", "[barrier]") {
  barrier b(2);
  // Each limit that passes breaks it.
  auto const and_reset = [&b](bool passed) {
    if (b.broken() == passed) throw std::logic_error("broken although it passed, or not broken although it gave up");
    b.reset();
    return passed;
  };
  auto const wait_for = [&](auto const& length) { return and_reset(b.arrive_and_wait_for(length).has_value()); };
  auto const wait_until = [&](auto const& moment) { return and_reset(b.arrive_and_wait_until(moment).has_value()); };
  support::check_limits_in_vain(wait_for, wait_until);
  support::check_limits_in_time([&b](auto const& length) { return b.arrive_and_wait_for(length).has_value(); },
                                [&b](auto const& moment) { return b.arrive_and_wait_until(moment).has_value(); }, [] {},
                                [&b] { b.arrive_and_wait(); });
  CHECK_FALSE(b.broken());
  barrier alone(1);
  support::check_limits_at_once([&](auto const& length) { return alone.arrive_and_wait_for(length).has_value(); },
                                [&](auto const& moment) { return alone.arrive_and_wait_until(moment).has_value(); },
                                [] {});
  CHECK_FALSE(alone.broken());
}

TEST_CASE("barrier: a limit, a stop or a cancel breaks it for those who wait and those who come", "[barrier]") {
  auto const way = GENERATE(0, 1, 2);
  barrier b(4);
  queue_executor here;
  crowd_of_tasks others(here, b, 2);
  here.run_all();
  if (way == 0) {
    CHECK_FALSE(b.arrive_and_wait_for(microseconds(1)));
  } else if (way == 1) {
    concur::os::stop_source source;
    source.request_stop();
    CHECK_FALSE(b.arrive_and_wait(source.get_token()));
  } else {
    crowd_of_tasks leaving(here, b, 1);
    here.run_all();
    leaving.root(0).cancel();
    here.run_all();
    CHECK(leaving.root(0).was_cancelled());
  }
  CHECK(b.broken());
  CHECK(b.waiting() == 0);
  here.run_all();
  CHECK(others.all(ending::broken));
  CHECK_THROWS_AS(b.arrive_and_wait(), broken_barrier);
  CHECK_THROWS_AS(b.arrive_and_wait_for(seconds(1)), broken_barrier);
  crowd_of_tasks late(here, b, 1);
  here.run_all();
  CHECK(late.all(ending::broken));

  b.reset();
  crowd_of_tasks again(here, b, 3);
  here.run_all();
  CHECK(b.arrive_and_wait() == 3);
  here.run_all();
  CHECK(again.all(ending::passed));
}

TEST_CASE("barrier: a party that leaves breaks it for threads that sleep", "[barrier]") {
  for (int round = 0; round < rounds(500); ++round) {
    barrier b(3);
    std::atomic<int> told{0};
    concur::os::stop_source source;
    std::optional<std::size_t> left;
    support::hammer crowd;
    crowd.add([&] {
      try {
        b.arrive_and_wait();
      } catch (broken_barrier const&) {
        told.fetch_add(1);
      }
    });
    crowd.add([&] {
      try {
        left = b.arrive_and_wait(source.get_token());
      } catch (broken_barrier const&) {
        told.fetch_add(1);
      }
    });
    crowd.add([&] {
      if (round % 2 == 0) {
        source.request_stop();
      } else {
        b.abort();
      }
    });
    crowd.run();
    // The stop of the one tells the other; abort tells both.
    REQUIRE(told.load() == (round % 2 == 0 ? 1 : 2));
    REQUIRE_FALSE(left);
    REQUIRE(b.broken());
  }
}

TEST_CASE("barrier: a limit, a stop or a cancel that comes after the last arrival changes nothing", "[barrier]") {
  barrier b(2);
  support::fake_fiber fiber([&b] { b.arrive_and_wait(); }, support::fake_fiber::limit_passes);
  CHECK(fiber.run([&b] { return b.arrive_and_wait_for(seconds(1)); }) == std::size_t{0});
  CHECK(fiber.wakes() == 1);

  concur::os::stop_source source;
  support::fake_fiber stopped([&] {
    b.arrive_and_wait();
    source.request_stop();
  });
  CHECK(stopped.run([&] { return b.arrive_and_wait(source.get_token()); }) == std::size_t{0});
  CHECK_FALSE(b.broken());

  queue_executor here;
  crowd_of_tasks one(here, b, 1);
  here.run_all();
  b.arrive_and_wait();
  one.root(0).cancel();
  here.run_all();
  CHECK(one.all(ending::passed));
  CHECK_FALSE(b.broken());

  // Nobody came: the limit passes and breaks it.
  support::fake_fiber late([] {});
  CHECK_FALSE(late.run([&b] { return b.arrive_and_wait_for(seconds(1)); }));
  CHECK(late.wakes() == 0);
  CHECK(b.broken());
}

namespace {

test_task<> meet_and_be_cancelled(barrier<>& b) {
  auto const make = [&b] { return b.async_arrive_and_wait(); };
  co_await support::cancel_before_publish(make);
}

}  // namespace

TEST_CASE("barrier: a task cancelled before it arrives breaks nothing", "[barrier]") {
  barrier b(2);
  queue_executor here;
  SECTION("before it runs") {
    crowd_of_tasks one(here, b, 1);
    one.root(0).cancel();
    here.run_all();
    CHECK(one.root(0).was_cancelled());
  }
  SECTION("before it runs, although it would be the last") {
    crowd_of_tasks other(here, b, 1);
    here.run_all();
    crowd_of_tasks one(here, b, 1);
    one.root(0).cancel();
    here.run_all();
    CHECK(one.root(0).was_cancelled());
    CHECK(b.waiting() == 1);
    b.arrive_and_wait();
    here.run_all();
    CHECK(other.all(ending::passed));
  }
  SECTION("when it has decided to wait, but does not stand in the list yet") {
    auto const root = spawn(here, meet_and_be_cancelled(b));
    here.run_all();
    CHECK(root->was_cancelled());
  }
  SECTION("at a barrier that is broken: the cancel comes first") {
    b.abort();
    crowd_of_tasks one(here, b, 1);
    one.root(0).cancel();
    here.run_all();
    CHECK(one.root(0).was_cancelled());
    b.reset();
  }
  CHECK_FALSE(b.broken());
  CHECK(b.waiting() == 0);
}

TEST_CASE("barrier: abort tells those who wait and those who come, until reset", "[barrier]") {
  barrier b(3);
  queue_executor here;
  crowd_of_tasks waiting(here, b, 2);
  here.run_all();
  b.abort();
  CHECK(b.broken());
  CHECK(b.waiting() == 0);
  here.run_all();
  CHECK(waiting.all(ending::broken));
  b.abort();
  CHECK_THROWS_AS(b.arrive_and_wait(), broken_barrier);
  CHECK(b.waiting() == 0);
  b.reset();
  CHECK_FALSE(b.broken());
  crowd_of_tasks again(here, b, 2);
  here.run_all();
  CHECK(b.arrive_and_wait() == 2);
  here.run_all();
  CHECK(again.all(ending::passed));
}

TEST_CASE("barrier: reset sends those who wait away and begins anew", "[barrier]") {
  barrier b(3);
  queue_executor here;
  crowd_of_tasks waiting(here, b, 2);
  here.run_all();
  b.reset();
  CHECK_FALSE(b.broken());
  CHECK(b.waiting() == 0);
  here.run_all();
  CHECK(waiting.all(ending::broken));
  crowd_of_tasks again(here, b, 2);
  here.run_all();
  CHECK(again.all(ending::pending));
  CHECK(b.arrive_and_wait() == 2);
  here.run_all();
  CHECK(again.all(ending::passed));
}

TEST_CASE("barrier: the completion step runs once a phase, before anybody passes, and sees what all have done",
          "[barrier]") {
  constexpr std::size_t parties = 4;
  int const times = rounds(50'000);
  std::array<int, parties> written{};
  int calls = 0;
  std::atomic<int> wrong{0};
  barrier b(parties, [&] {
    for (int each : written) {
      if (each != calls) wrong.fetch_add(1);
    }
    ++calls;
  });
  // Nobody can call the step again before all have looked and arrived.
  auto const check_phase = [&](int phase) {
    if (calls != phase + 1) wrong.fetch_add(1);
  };
  auto const take_part_in_task = [&](std::size_t who) -> test_task<> {
    for (int phase = 0; phase < times; ++phase) {
      written[who] = phase;
      co_await b.async_arrive_and_wait();
      check_phase(phase);
    }
  };
  {
    threads_executor pool(2);
    auto const first = spawn(pool, take_part_in_task(0));
    auto const second = spawn(pool, take_part_in_task(1));
    support::hammer crowd;
    for (std::size_t who = 2; who < parties; ++who) {
      crowd.add([&, who] {
        for (int phase = 0; phase < times; ++phase) {
          written[who] = phase;
          b.arrive_and_wait();
          check_phase(phase);
        }
      });
    }
    crowd.run();
    first->wait_until_done();
    second->wait_until_done();
  }
  CHECK(calls == times);
  CHECK(wrong.load() == 0);
}

TEST_CASE("barrier: a completion step that throws breaks it, and the exception leaves the last arrival", "[barrier]") {
  struct failure {};
  bool fails = true;
  barrier b(3, [&fails] {
    if (fails) throw failure();
  });
  queue_executor here;
  crowd_of_tasks waiting(here, b, 2);
  here.run_all();
  SECTION("a thread") { CHECK_THROWS_AS(b.arrive_and_wait(), failure); }
  SECTION("a thread with a limit") { CHECK_THROWS_AS(b.arrive_and_wait_for(seconds(1)), failure); }
  SECTION("a thread that leaves for good") {
    CHECK_THROWS_AS(b.arrive_and_drop(), failure);
    CHECK(b.parties() == 2);
  }
  SECTION("a task") {
    crowd_of_tasks last(here, b, 1);
    here.run_all();
    CHECK_THROWS_AS(last.root(0).result(), failure);
  }
  CHECK(b.broken());
  here.run_all();
  CHECK(waiting.all(ending::broken));
  CHECK_THROWS_AS(b.arrive_and_wait(), broken_barrier);

  fails = false;
  b.reset();
  crowd_of_tasks again(here, b, b.parties() - 1);
  here.run_all();
  CHECK(b.arrive_and_wait() == b.parties() - 1);
  here.run_all();
  CHECK(again.all(ending::passed));
}

namespace {

// Awaits the arrival, and lets others run when it has decided to wait, but does not stand in the list yet.
template <class Barrier>
class arrival_overtaken {
 public:
  arrival_overtaken(Barrier& b, queue_executor& others) : operation_(b.async_arrive_and_wait()), others_(others) {}
  arrival_overtaken(arrival_overtaken const&) = delete;
  arrival_overtaken& operator=(arrival_overtaken const&) = delete;

  bool await_ready() const noexcept { return operation_.await_ready(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    bool const waits = operation_.await_suspend(handle);
    others_.run_all();
    return waits;
  }
  std::size_t await_resume() { return operation_.await_resume(); }

 private:
  decltype(std::declval<Barrier&>().async_arrive_and_wait()) operation_;
  queue_executor& others_;
};

template <class Barrier>
test_task<std::size_t> meet_overtaken(Barrier& b, queue_executor& others) {
  std::size_t index = 0;
  index = co_await arrival_overtaken<Barrier>(b, others);
  co_return index;
}

}  // namespace

TEST_CASE("barrier: a task that decides to wait, but is the last when it comes to that, runs the step", "[barrier]") {
  struct failure {};
  bool const fails = GENERATE(false, true);
  int calls = 0;
  barrier b(2, [&calls, fails] {
    ++calls;
    if (fails) throw failure();
  });
  queue_executor here, there;
  auto const root = spawn(here, meet_overtaken(b, there));
  crowd_of_tasks other(there, b, 1);
  here.run_all();
  there.run_all();
  REQUIRE(root->done());
  CHECK(calls == 1);
  if (fails) {
    CHECK_THROWS_AS(root->result(), failure);
    CHECK(other.all(ending::broken));
  } else {
    CHECK(root->result() == 1);
    CHECK(other[0].index == 0);
  }
}

namespace {

// A step that does something of the test's own in its first calls.
struct scripted_step {
  std::vector<std::function<void()>>* script;
  std::size_t* calls;
  void operator()() const {
    std::size_t const now = (*calls)++;
    if (now < script->size()) (*script)[now]();
  }
};

}  // namespace

TEST_CASE("barrier: who comes while the completion step runs waits for its end, and then arrives", "[barrier]") {
  queue_executor here;
  std::vector<std::function<void()>> script;
  std::size_t calls = 0;
  barrier b(1, scripted_step{&script, &calls});
  std::vector<std::unique_ptr<crowd_of_tasks<barrier<scripted_step>>>> crowds;
  auto const two_come = [&] {
    crowds.push_back(std::make_unique<crowd_of_tasks<barrier<scripted_step>>>(here, b, 2));
    here.run_all();
  };
  auto const& come = crowds;

  SECTION("they pass, each in a phase of its own") {
    script = {two_come};
    CHECK(b.arrive_and_wait() == 0);
    CHECK(calls == 1);
    here.run_all();
    CHECK(come[0]->all(ending::passed));
    CHECK(calls == 3);
    CHECK(b.waiting() == 0);
  }
  SECTION("one of them is cancelled: it leaves, and the barrier breaks for the other") {
    script = {[&] {
      two_come();
      come[0]->root(0).cancel();
      here.run_all();
    }};
    CHECK(b.arrive_and_wait() == 0);  // its phase was complete
    here.run_all();
    CHECK(come[0]->root(0).was_cancelled());
    CHECK((*come[0])[1].how == ending::broken);
    CHECK(b.broken());
    CHECK(calls == 1);
  }
  SECTION("one of them is cancelled when it was told to try again: that breaks nothing") {
    script = {two_come};
    CHECK(b.arrive_and_wait() == 0);
    come[0]->root(0).cancel();
    here.run_all();
    CHECK(come[0]->root(0).was_cancelled());
    CHECK((*come[0])[1].how == ending::passed);
    CHECK_FALSE(b.broken());
    CHECK(calls == 2);
  }
  SECTION("abort strikes them, not the phase that is complete") {
    script = {[&] {
      two_come();
      b.abort();
      here.run_all();
      CHECK(come[0]->all(ending::broken));
      two_come();
      CHECK(come[1]->all(ending::broken));
    }};
    CHECK(b.arrive_and_wait() == 0);
    CHECK(b.broken());
    CHECK(calls == 1);
  }
  SECTION("reset sends them away; who comes after it waits for the step all the same") {
    script = {[&] {
      two_come();
      b.reset();
      here.run_all();
      CHECK(come[0]->all(ending::broken));
      two_come();
      CHECK(come[1]->all(ending::pending));
      CHECK(calls == 1);
    }};
    CHECK(b.arrive_and_wait() == 0);
    CHECK_FALSE(b.broken());
    here.run_all();
    CHECK(come[1]->all(ending::passed));
    CHECK(calls == 3);
  }
  SECTION("abort or a limit, and then reset: there is no second step beside the first") {
    bool const by_limit = GENERATE(false, true);
    script = {[&, by_limit] {
      if (by_limit) {
        CHECK_FALSE(b.arrive_and_wait_for(microseconds(1)));
      } else {
        b.abort();
      }
      CHECK(b.broken());
      b.reset();
      two_come();
      CHECK(come[0]->all(ending::pending));
      CHECK(calls == 1);
    }};
    CHECK(b.arrive_and_wait() == 0);
    CHECK_FALSE(b.broken());
    here.run_all();
    CHECK(come[0]->all(ending::passed));
    CHECK(calls == 3);
  }
  SECTION("the step throws: they are told") {
    script = {[&] {
      two_come();
      throw std::runtime_error("the step failed");
    }};
    CHECK_THROWS_AS(b.arrive_and_wait(), std::runtime_error);
    here.run_all();
    CHECK(come[0]->all(ending::broken));
    CHECK(b.broken());
    CHECK(calls == 1);
  }
  SECTION("the last party leaves for good while the step runs") {
    script = {[&] {
      two_come();
      b.arrive_and_drop();
    }};
    CHECK(b.arrive_and_wait() == 0);
    here.run_all();
    CHECK(calls == 1);
    CHECK_THROWS_AS(come[0]->root(0).result(), concur::misuse);
    CHECK(b.parties() == 0);
  }
  SECTION("a limit passes meanwhile") {
    script = {[&] { CHECK_FALSE(b.arrive_and_wait_for(microseconds(1))); }};
    CHECK(b.arrive_and_wait() == 0);
    CHECK(b.broken());
    CHECK(calls == 1);
  }
}

TEST_CASE("barrier: more threads than parties, and the step runs once for every two of them", "[barrier]") {
  support::weather const with_and_without_signals(GENERATE(false, true));
  std::atomic<long> passed{0};
  std::atomic<int> inside{0}, wrong{0};
  long calls = 0;
  long const enough = rounds(50'000);
  barrier<std::function<void()>>* to_abort = nullptr;
  barrier<std::function<void()>> b(2, [&] {
    if (inside.fetch_add(1) != 0) wrong.fetch_add(1);
    if (++calls == enough) to_abort->abort();
    inside.fetch_sub(1);
  });
  to_abort = &b;
  auto const pass_until_broken = [&]() -> test_task<> {
    try {
      for (;;) {
        co_await b.async_arrive_and_wait();
        passed.fetch_add(1);
      }
    } catch (broken_barrier const&) {
    }
  };
  {
    threads_executor pool(2);
    auto const one = spawn(pool, pass_until_broken());
    auto const other = spawn(pool, pass_until_broken());
    support::hammer crowd;
    crowd.add(3, [&] {
      try {
        for (;;) {
          b.arrive_and_wait();
          passed.fetch_add(1);
        }
      } catch (broken_barrier const&) {
      }
    });
    crowd.run();
    one->wait_until_done();
    other->wait_until_done();
  }
  CHECK(wrong.load() == 0);
  CHECK(calls == enough);
  CHECK(passed.load() == 2 * enough);  // those of the last phase too, although it was aborted from the step
}

TEST_CASE("barrier: a party that leaves for good is missed by nobody", "[barrier]") {
  for (std::size_t position = 0; position < 3; ++position) {
    int calls = 0;
    barrier b(3, [&calls] { ++calls; });
    queue_executor here;
    crowd_of_tasks before(here, b, position);
    here.run_all();
    b.arrive_and_drop();
    CHECK(b.parties() == 2);
    here.run_all();
    INFO("after " << position << " others");
    CHECK(before.all(position == 2 ? ending::passed : ending::pending));
    crowd_of_tasks after(here, b, 2 - position);
    here.run_all();
    CHECK(before.all(ending::passed));
    CHECK(after.all(ending::passed));
    CHECK(calls == 1);
    crowd_of_tasks next(here, b, 2);
    here.run_all();
    CHECK(next.all(ending::passed));
    CHECK(calls == 2);
  }
}

TEST_CASE("barrier: when the last party has left for good, nobody can come any more", "[barrier]") {
  int calls = 0;
  barrier b(2, [&calls] { ++calls; });
  queue_executor here;
  b.arrive_and_drop();
  CHECK(calls == 0);
  CHECK(b.arrive_and_wait() == 0);
  CHECK(calls == 1);
  b.arrive_and_drop();
  CHECK(calls == 2);
  CHECK(b.parties() == 0);
  CHECK(speaks_of(complaint_of([&] { b.arrive_and_wait(); }), "arrived at a barrier that all parties had left"));
  CHECK(speaks_of(complaint_of([&] { b.arrive_and_drop(); }), "left a barrier that all parties had left"));
  crowd_of_tasks late(here, b, 1);
  here.run_all();
  CHECK_THROWS_AS(late.root(0).result(), concur::misuse);
  CHECK(calls == 2);
  b.reset();
  CHECK(b.parties() == 0);
}

TEST_CASE("barrier: a broken one can be left for good", "[barrier]") {
  int calls = 0;
  barrier b(2, [&calls] { ++calls; });
  b.abort();
  b.arrive_and_drop();
  CHECK(b.parties() == 1);
  CHECK(b.broken());
  CHECK(calls == 0);
  b.reset();
  CHECK(b.arrive_and_wait() == 0);
  CHECK(calls == 1);

  b.abort();
  b.arrive_and_drop();
  CHECK(b.parties() == 0);
  CHECK(b.broken());
  CHECK(calls == 1);
}

TEST_CASE("barrier: threads leave it one after the other while the rest goes on", "[barrier]") {
  for (int round = 0; round < rounds(200); ++round) {
    constexpr int parties = 4;
    std::atomic<int> wrong{0};
    int calls = 0;
    barrier b(parties, [&calls] { ++calls; });
    support::hammer crowd;
    for (int who = 0; who < parties; ++who) {
      crowd.add([&, who] {
        for (int phase = 0; phase < who; ++phase) {
          if (b.arrive_and_wait() >= std::size_t(parties - phase)) wrong.fetch_add(1);
        }
        b.arrive_and_drop();
      });
    }
    crowd.run();
    REQUIRE(wrong.load() == 0);
    REQUIRE(b.parties() == 0);
    REQUIRE(calls == parties);
  }
}

namespace {

foreign_coroutine meet_foreign(barrier<>& b, party_log& log) {
  std::size_t index = 0;
  index = co_await b.async_arrive_and_wait();
  log.index = index;
  log.how = ending::passed;
}

}  // namespace

TEST_CASE("barrier: a foreign coroutine waits on the executor of its thread", "[barrier]") {
  barrier b(2);
  queue_executor here;
  party_log waiting, last, homeless, broken;
  {
    concur::executor_scope const this_thread(here);
    auto const coroutine = meet_foreign(b, waiting);
    CHECK(waiting.how == ending::pending);
    CHECK(b.waiting() == 1);
    CHECK(b.arrive_and_wait() == 1);
    CHECK(waiting.how == ending::pending);
    here.run_all();
    CHECK(waiting.index == 0);
    REQUIRE(coroutine.done());
    coroutine.rethrow_error();

    auto const told = meet_foreign(b, broken);
    b.abort();
    here.run_all();
    REQUIRE(told.done());
    CHECK_THROWS_AS(told.rethrow_error(), broken_barrier);
    b.reset();
  }
  // Without an executor it may be the last, but it cannot wait, and has not arrived.
  auto const nobody = meet_foreign(b, homeless);
  REQUIRE(nobody.done());
  CHECK_THROWS_AS(nobody.rethrow_error(), concur::misuse);
  CHECK(b.waiting() == 0);
  crowd_of_tasks first(here, b, 1);
  here.run_all();
  auto const lucky = meet_foreign(b, last);
  REQUIRE(lucky.done());
  CHECK(last.index == 1);
  here.run_all();
  CHECK(first.all(ending::passed));
}

namespace {

// A party that was let go destroys the barrier as soon as the other has written, after its own return, that it has
// passed; or, with `early`, while the other is still inside the call that let it go.
template <class Memory>
void a_party_may_destroy_it(int times, bool early) {
  struct shared_object {
    barrier<> b{2};
    std::atomic<int> inside{2};
  };
  auto const use = [early](shared_object* object, bool slowly) {
    if (slowly) support::linger();  // the other falls asleep
    std::size_t const index = object->b.arrive_and_wait();
    bool const destroys = early ? index == 0 : object->inside.fetch_sub(1) == 1;
    if (!destroys) return;
    object->~shared_object();
    Memory::release(object, sizeof(shared_object));
  };
  std::atomic<shared_object*> offered{nullptr};
  support::hammer crowd;
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      auto* const object = new (Memory::allocate(sizeof(shared_object))) shared_object;
      offered.store(object);
      use(object, i % 16 == 0);
      while (offered.load() != nullptr) concur::os::yield();
    }
  });
  crowd.add([&] {
    for (int i = 0; i < times; ++i) {
      shared_object* object = nullptr;
      for (concur::brief_wait other;; other.pause()) {
        object = offered.exchange(nullptr);
        if (object != nullptr) break;
      }
      use(object, i % 16 == 8);
    }
  });
  crowd.run();
  SUCCEED();
}

}  // namespace

TEST_CASE("barrier: the last of the parties to return may destroy it", "[barrier]") {
  a_party_may_destroy_it<support::heap_allocated>(rounds(100'000), false);
}

TEST_CASE("barrier: who was let go may destroy it while the call that did so returns", "[barrier]") {
  a_party_may_destroy_it<support::heap_allocated>(rounds(100'000), true);
}

TEST_CASE("barrier: who was let go may unmap its page while the call that did so returns", "[barrier]") {
  a_party_may_destroy_it<support::own_page>(rounds(20'000), true);
}

TEST_CASE("barrier: one in static storage", "[barrier]") {
  std::size_t index = SIZE_MAX;
  std::thread other([&index] { index = in_static_storage.arrive_and_wait(); });
  std::size_t const mine = in_static_storage.arrive_and_wait();
  other.join();
  CHECK(mine + index == 1);
}
