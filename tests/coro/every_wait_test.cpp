// SPDX-License-Identifier: BSL-1.0
//
// Everything a coroutine can wait in, in one table: each wait is cancelled at every step and in every way, and each of
// its allocations fails in turn. Nothing may be lost: what was not taken is still there, what was locked is free. What
// needs an event loop is in loop/loop_waits_test.cpp; gather, groups and `with` have more of the kind in their own
// tests.
#include <concur/coro/async_generator.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/gather.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/future/as_completed.hpp>
#include <concur/future/gather.hpp>
#include <concur/future/promise.hpp>
#include <concur/future/shared_future.hpp>
#include <concur/future/wait.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/queue/lifo_queue.hpp>
#include <concur/queue/priority_queue.hpp>
#include <concur/queue/queue.hpp>
#include <concur/queue/select.hpp>
#include <concur/queue/unbounded.hpp>
#include <concur/sync/barrier.hpp>
#include <concur/sync/condition.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/event_count.hpp>
#include <concur/sync/guarded.hpp>
#include <concur/sync/latch.hpp>
#include <concur/sync/mutex.hpp>
#include <concur/sync/recursive_mutex.hpp>
#include <concur/sync/semaphore.hpp>
#include <concur/sync/shared_mutex.hpp>
#include <concur/thread/thread.hpp>
#include <concur/thread/timer.hpp>

#include "../support/refusals.hpp"
#include "coro_support.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::future;
using concur::spawn;
using concur::task;
using support::ended_by;
using support::hand_loop;

// What is waited in, and what has been taken out of it.
struct bench {
  explicit bench(support::order which = support::usual_order()) : here(which), elsewhere(which) {}

  hand_loop here;
  hand_loop elsewhere;
  concur::cancel_scope scope;
  concur::event set;
  concur::event for_child;
  concur::mutex m;
  concur::recursive_mutex again;
  concur::shared_mutex both_modes;
  concur::guarded<int> value{0};
  std::optional<concur::guarded<int>::handle> held;
  concur::guarded<int, concur::shared_mutex> shared_value{0};
  std::optional<concur::guarded<int, concur::shared_mutex>::handle> held_shared;
  concur::semaphore permits{0};
  concur::condition changed;
  concur::event_count hint;
  bool ready = false;
  concur::latch down{1};
  concur::latch two_down{2};
  concur::barrier<> meeting{2};
  future<void> second_party;
  concur::queue<int> items{1};
  concur::queue<int> full{1};
  concur::queue<int> endless{concur::unbounded};
  concur::lifo_queue<int> stack{1};
  concur::priority_queue<int> sorted{1};
  std::optional<concur::promise<int>> promised;
  future<int> answer;
  std::vector<future<int>> answers;
  concur::shared_future<int> shared;
  concur::event gate;  // for other threads
  std::optional<concur::thread> thread;
  std::optional<concur::timer> timer;
  std::optional<concur::thread_pool> pool;
  int taken = 0;
};

/// What becomes of a cancel that comes while the task waits.
enum class a_cancel : unsigned char {
  ends_the_wait,   // but changes nothing after the wake
  may_come_late,   // the same, but after the wake it may still come in time
  may_be_ignored,  // what is waited for may go on to its end
};

struct wait_case {
  char const* name;
  void (*prepare)(bench&);
  task<> (*wait)(bench&);
  // When nothing else happens any more. Null: it ends by itself.
  void (*wake)(bench&);
  // After the task has ended and was woken: whether nothing was lost. `stopped`: by a cancel, or without memory.
  bool (*intact)(bench&, bool stopped);
  a_cancel cancel = a_cancel::ends_the_wait;
};

// ---- parts of the table

void nothing(bench&) {}
bool once(bench& b, bool stopped) { return b.taken == (stopped ? 0 : 1); }

void promise_an_answer(bench& b) { b.answer = b.promised.emplace().get_future(); }
void promise_one_of_several(bench& b) { b.answers.push_back(b.promised.emplace().get_future()); }
void answer_seven(bench& b) { static_cast<void>(b.promised->try_set_value(7)); }

task<> wait_for(concur::event& e) {
  int const nothing_else = 0;
  static_cast<void>(nothing_else);
  co_await e.async_wait();
}
task<> take_ten(bench& b) {
  int const ten = 10;
  co_await b.for_child.async_wait();
  b.taken += ten;
}
task<> meet(bench& b) {
  int const ten = 10;
  try {
    static_cast<void>(co_await b.meeting.async_arrive_and_wait());
    b.taken += ten;
  } catch (concur::broken_barrier const&) {
  }
}
concur::async_generator<int> sevens(bench& b) {
  int const seven = 7;
  co_await b.set.async_wait();
  co_yield seven;
}

template <class Lock>
bool is_free(Lock& lock) {
  bool const free = lock.try_lock();
  if (free) lock.unlock();
  return free;
}

template <auto Queue>
task<> get(bench& b) {
  int const item = co_await (b.*Queue).async_get();
  b.taken += item;
}
template <auto Queue>
void put_seven(bench& b) {
  int item = 7;
  CHECK((b.*Queue).try_put(item));
}
template <auto Queue>
bool taken_or_there(bench& b, bool stopped) {
  return (b.*Queue).try_get().value_or(0) == (stopped ? 7 : 0) && b.taken == (stopped ? 0 : 7);
}

template <auto Queue>
void fill(bench& b) {
  (b.*Queue).put(1);
}
template <auto Queue>
task<> put(bench& b) {
  int const one = 1;
  co_await (b.*Queue).async_put(2);
  b.taken += one;
}
template <auto Queue>
void make_room(bench& b) {
  CHECK((b.*Queue).try_get() == 1);
}
template <auto Queue>
bool put_or_not(bench& b, bool stopped) {
  return (b.*Queue).try_get().value_or(0) == (stopped ? 0 : 2) && once(b, stopped);
}

// ---- the table

constexpr auto either = a_cancel::may_come_late;

wait_case const every_wait[] = {
    {"event", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.set.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.set.set(); }, once},
    {"mutex", [](bench& b) { b.m.lock(); },
     [](bench& b) -> task<> {
       auto const guard = co_await b.m.async_lock();
       ++b.taken;
     },
     [](bench& b) { b.m.unlock(); }, [](bench& b, bool stopped) { return is_free(b.m) && once(b, stopped); }, either},
    {"recursive_mutex", [](bench& b) { b.again.lock(); },
     [](bench& b) -> task<> {
       auto const guard = co_await b.again.async_lock();
       ++b.taken;
     },
     [](bench& b) { b.again.unlock(); }, [](bench& b, bool stopped) { return is_free(b.again) && once(b, stopped); },
     either},
    {"shared_mutex, a writer", [](bench& b) { b.both_modes.lock_shared(); },
     [](bench& b) -> task<> {
       auto const guard = co_await b.both_modes.async_lock();
       ++b.taken;
     },
     [](bench& b) { b.both_modes.unlock_shared(); },
     [](bench& b, bool stopped) { return is_free(b.both_modes) && once(b, stopped); }, either},
    {"shared_mutex, a reader", [](bench& b) { b.both_modes.lock(); },
     [](bench& b) -> task<> {
       auto const guard = co_await b.both_modes.async_lock_shared();
       ++b.taken;
     },
     [](bench& b) { b.both_modes.unlock(); },
     [](bench& b, bool stopped) { return is_free(b.both_modes) && once(b, stopped); }, either},
    {"guarded", [](bench& b) { b.held.emplace(b.value.lock()); },
     [](bench& b) -> task<> {
       auto const handle = co_await b.value.async_lock();
       b.taken += ++*handle;
     },
     [](bench& b) { b.held.reset(); },
     [](bench& b, bool stopped) {
       auto const handle = b.value.try_lock();
       return handle && *handle == b.taken && once(b, stopped);
     },
     either},
    {"guarded, a reader", [](bench& b) { b.held_shared.emplace(b.shared_value.lock()); },
     [](bench& b) -> task<> {
       auto const handle = co_await b.shared_value.async_lock_shared();
       b.taken += *handle + 1;
     },
     [](bench& b) { b.held_shared.reset(); },
     [](bench& b, bool stopped) { return bool(b.shared_value.try_lock()) && once(b, stopped); }, either},
    {"semaphore", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.permits.async_acquire();
       b.taken += one;
     },
     [](bench& b) { b.permits.release(); },
     [](bench& b, bool stopped) { return b.permits.try_acquire() == stopped && once(b, stopped); }},
    {"condition, with a predicate", nothing,
     [](bench& b) -> task<> {
       auto guard = co_await b.m.async_lock();
       auto const is_ready = [&b] { return b.ready; };
       co_await b.changed.async_wait(guard, is_ready);
       ++b.taken;
     },
     [](bench& b) {
       std::lock_guard const hold(b.m);
       b.ready = true;
       b.changed.notify_one();
     },
     [](bench& b, bool stopped) { return is_free(b.m) && once(b, stopped); }, either},
    {"condition, a notify", nothing,
     [](bench& b) -> task<> {
       auto guard = co_await b.m.async_lock();
       co_await b.changed.async_wait(guard);
       ++b.taken;
     },
     [](bench& b) { b.changed.notify_one(); }, [](bench& b, bool stopped) { return is_free(b.m) && once(b, stopped); },
     either},
    {"event_count", nothing,
     [](bench& b) -> task<> {
       auto const is_ready = [&b] { return b.ready; };
       co_await b.hint.async_wait(is_ready);
       ++b.taken;
     },
     [](bench& b) {
       b.ready = true;
       b.hint.notify_one();
     },
     once, either},
    {"latch", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.down.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.down.count_down(); }, once},
    {"latch, with an arrival", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.two_down.async_arrive_and_wait();
       b.taken += one;
     },
     [](bench& b) { b.two_down.count_down(); },
     // Who began counts as arrived, whatever became of the wait.
     [](bench& b, bool stopped) {
       if (stopped && !b.two_down.try_wait()) b.two_down.count_down();
       return b.two_down.try_wait() && once(b, stopped);
     }},
    {"barrier", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       static_cast<void>(co_await b.meeting.async_arrive_and_wait());
       b.taken += one;
     },
     [](bench& b) { b.second_party = spawn(b.here, meet(b)); },
     // Who gives up breaks it, and the other one learns of that; who never began leaves the other one waiting.
     [](bench& b, bool stopped) {
       if (stopped && !b.second_party.done()) b.second_party.cancel();
       b.here.run_all();
       bool const ended = b.second_party.done();
       if (ended) static_cast<void>(b.second_party.error());
       return ended && b.taken == (stopped ? 0 : 11);
     },
     either},

    {"queue, get", nothing, get<&bench::items>, put_seven<&bench::items>, taken_or_there<&bench::items>, either},
    {"queue without bounds, get", nothing, get<&bench::endless>, put_seven<&bench::endless>,
     taken_or_there<&bench::endless>, either},
    {"lifo_queue, get", nothing, get<&bench::stack>, put_seven<&bench::stack>, taken_or_there<&bench::stack>, either},
    {"priority_queue, get", nothing, get<&bench::sorted>, put_seven<&bench::sorted>, taken_or_there<&bench::sorted>,
     either},
    {"queue, put", fill<&bench::full>, put<&bench::full>, make_room<&bench::full>, put_or_not<&bench::full>, either},
    {"lifo_queue, put", fill<&bench::stack>, put<&bench::stack>, make_room<&bench::stack>, put_or_not<&bench::stack>,
     either},
    {"priority_queue, put", fill<&bench::sorted>, put<&bench::sorted>, make_room<&bench::sorted>,
     put_or_not<&bench::sorted>, either},
    {"queue without bounds, put", nothing, put<&bench::endless>, nullptr, put_or_not<&bench::endless>, either},
    {"queue, join", fill<&bench::items>,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.items.async_join();
       b.taken += one;
     },
     [](bench& b) {
       make_room<&bench::items>(b);
       b.items.task_done();
     },
     [](bench& b, bool stopped) { return b.items.try_join_for(0s) && once(b, stopped); }, either},
    {"select, get", nothing,
     [](bench& b) -> task<> {
       auto const first = concur::on_get(b.items, [&b](int item) { b.taken += item; });
       auto const second = concur::on_get(b.full, [&b](int item) { b.taken += item; });
       co_await concur::async_select(first, second);
     },
     put_seven<&bench::full>, taken_or_there<&bench::full>, either},
    {"select, put",
     [](bench& b) {
       fill<&bench::items>(b);
       fill<&bench::full>(b);
     },
     [](bench& b) -> task<> {
       int const two = 2;
       auto const first = concur::on_put(b.items, two);
       auto const second = concur::on_put(b.full, two);
       co_await concur::async_select(first, second);
       ++b.taken;
     },
     make_room<&bench::full>,
     [](bench& b, bool stopped) { return b.items.try_get() == 1 && put_or_not<&bench::full>(b, stopped); }, either},

    {"future", promise_an_answer,
     [](bench& b) -> task<> {
       int const value = co_await b.answer;
       b.taken += value;
     },
     answer_seven, [](bench& b, bool stopped) { return b.answer.done() && b.taken == (stopped ? 0 : 7); }},
    {"shared_future",
     [](bench& b) {
       promise_an_answer(b);
       b.shared = std::move(b.answer).share();
     },
     [](bench& b) -> task<> {
       int const value = co_await b.shared;
       b.taken += value;
     },
     answer_seven, [](bench& b, bool stopped) { return b.shared.get() == 7 && b.taken == (stopped ? 0 : 7); }},
    {"futures, wait", promise_one_of_several,
     [](bench& b) -> task<> {
       auto const found = co_await concur::wait(b.answers);
       b.taken += int(found.done.size());
     },
     answer_seven, [](bench& b, bool stopped) { return b.answers[0].get() == 7 && once(b, stopped); }, either},
    {"futures, wait with a limit", promise_one_of_several,
     [](bench& b) -> task<> {
       auto const found = co_await concur::wait(b.answers, concur::first_completed, 1h);
       b.taken += int(found.done.size());
     },
     answer_seven,
     [](bench& b, bool stopped) { return b.here.sleepers() == 0 && b.answers[0].get() == 7 && once(b, stopped); },
     either},
    {"futures, wait until the limit", promise_one_of_several,
     [](bench& b) -> task<> {
       auto const found = co_await concur::wait(b.answers, concur::first_completed, 1h);
       b.taken += int(found.pending.size());
     },
     [](bench& b) { b.here.advance(1h); },
     [](bench& b, bool stopped) {
       answer_seven(b);
       return b.here.sleepers() == 0 && b.answers[0].get() == 7 && once(b, stopped);
     },
     either},
    {"futures, as_completed", promise_one_of_several,
     [](bench& b) -> task<> {
       auto all = concur::as_completed(b.answers);
       auto* const first = co_await all.next();
       b.taken += first->get();
     },
     answer_seven,
     [](bench& b, bool stopped) {
       return stopped ? b.taken == 0 && b.answers[0].get() == 7 : b.taken == 7 && !b.answers[0].valid();
     },
     either},
    {"futures, gather", promise_an_answer,
     [](bench& b) -> task<> {
       auto const [value] = co_await concur::gather(std::move(b.answer));
       b.taken += value;
     },
     answer_seven, [](bench& b, bool stopped) { return b.taken == (stopped ? 0 : 7); }, either},

    {"sleep_for", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::sleep_for(1h);
       b.taken += one;
     },
     [](bench& b) { b.here.advance(1h); },
     [](bench& b, bool stopped) { return b.here.sleepers() == 0 && once(b, stopped); }},
    {"sleep_until", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::sleep_until(b.here.now() + 1h);
       b.taken += one;
     },
     [](bench& b) { b.here.advance(1h); },
     [](bench& b, bool stopped) { return b.here.sleepers() == 0 && once(b, stopped); }},
    {"sleep_for, no time at all", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::sleep_for(0s);
       b.taken += one;
     },
     nullptr, once, either},
    {"yield", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::yield();
       b.taken += one;
     },
     nullptr, once, either},
    {"hop_to", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::hop_to(b.elsewhere);
       b.taken += one;
     },
     nullptr, once, either},
    {"a wait on another executor", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::hop_to(b.elsewhere);
       co_await b.set.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.set.set(); }, once},
    {"a sleep on another executor", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::hop_to(b.elsewhere);
       co_await concur::sleep_for(1h);
       b.taken += one;
     },
     [](bench& b) { b.elsewhere.advance(1h); },
     [](bench& b, bool stopped) { return b.elsewhere.sleepers() == 0 && once(b, stopped); }},

    {"spawn, and its future", nothing,
     [](bench& b) -> task<> {
       auto child = spawn(wait_for(b.for_child));
       co_await child;
       ++b.taken;
     },
     [](bench& b) { b.for_child.set(); }, once},
    {"async_generator", nothing,
     [](bench& b) -> task<> {
       auto all = sevens(b);
       auto const first = co_await all.next();
       b.taken += *first;
     },
     [](bench& b) { b.set.set(); }, [](bench& b, bool stopped) { return b.taken == (stopped ? 0 : 7); }},
    {"timeout", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::timeout(1h, b.permits.async_acquire());
       b.taken += one;
     },
     [](bench& b) { b.permits.release(); },
     [](bench& b, bool stopped) {
       return b.here.sleepers() == 0 && b.permits.try_acquire() == stopped && once(b, stopped);
     }},
    {"move_on_after, of a task", nothing,
     [](bench& b) -> task<> {
       bool const in_time = co_await concur::move_on_after(1h, take_ten(b));
       b.taken += in_time ? 1 : 2;
     },
     [](bench& b) { b.for_child.set(); },
     [](bench& b, bool stopped) { return b.here.sleepers() == 0 && b.taken == (stopped ? 0 : 11); }},
    {"move_on_after, the limit", nothing,
     [](bench& b) -> task<> {
       bool const in_time = co_await concur::move_on_after(1h, take_ten(b));
       b.taken += in_time ? 2 : 1;
     },
     [](bench& b) { b.here.advance(1h); },
     [](bench& b, bool stopped) { return b.here.sleepers() == 0 && once(b, stopped); }, either},
    {"shield, of a task", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::shield(take_ten(b));
       b.taken += one;
     },
     [](bench& b) { b.for_child.set(); },
     // The operation goes on, unless all is cancelled.
     [](bench& b, bool stopped) { return stopped ? b.taken == 0 || b.taken == 10 : b.taken == 11; }, either},
    {"shield, of a future", promise_an_answer,
     [](bench& b) -> task<> {
       int const value = co_await concur::shield(b.answer);
       b.taken += value;
     },
     answer_seven, [](bench& b, bool stopped) { return stopped ? b.taken == 0 && b.answer.get() == 7 : b.taken == 7; }},
    {"gather of tasks", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       co_await concur::gather(wait_for(b.for_child), wait_for(b.set));
       b.taken += one;
     },
     [](bench& b) {
       b.for_child.set();
       b.set.set();
     },
     once, either},
    {"task_group", nothing,
     [](bench& b) -> task<> {
       int const one = 1;
       auto const body = [&b](concur::task_group& group) -> task<> {
         group.spawn(wait_for(b.for_child));
         co_return;
       };
       co_await concur::with_group(body);
       b.taken += one;
     },
     [](bench& b) { b.for_child.set(); }, once, either},

    {"thread, join", [](bench& b) { b.thread.emplace([&b] { b.gate.wait(); }); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.thread->async_join();
       b.taken += one;
     },
     [](bench& b) { b.gate.set(); },
     [](bench& b, bool stopped) {
       b.thread->join();
       return once(b, stopped);
     },
     either},
    {"timer, join", [](bench& b) { b.timer.emplace(1h, [] {}); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.timer->async_join();
       b.taken += one;
     },
     [](bench& b) { b.timer->cancel(); },
     [](bench& b, bool stopped) {
       b.timer->join();
       return once(b, stopped);
     },
     either},
    {"thread_pool, a job", [](bench& b) { b.pool.emplace(1); },
     [](bench& b) -> task<> {
       auto job = b.pool->submit([&b] {
         b.gate.wait();
         return 7;
       });
       int const value = co_await job;
       b.taken += value;
     },
     [](bench& b) { b.gate.set(); }, [](bench& b, bool stopped) { return b.taken == (stopped ? 0 : 7); },
     a_cancel::may_be_ignored},
    {"thread_pool, until it is idle",
     [](bench& b) {
       b.pool.emplace(1);
       b.pool->post([&b] { b.gate.wait(); });
     },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.pool->async_wait_idle();
       b.taken += one;
     },
     [](bench& b) { b.gate.set(); },
     [](bench& b, bool stopped) {
       b.pool->wait_idle();
       return once(b, stopped);
     },
     either},
    {"thread_pool, schedule", [](bench& b) { b.pool.emplace(1); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.pool->schedule();
       b.taken += one;
     },
     nullptr, once, either},
    {"thread_pool, a wait on a worker", [](bench& b) { b.pool.emplace(1); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.pool->schedule();
       co_await b.set.async_wait();
       b.taken += one;
     },
     [](bench& b) { b.set.set(); }, once, either},
    {"thread_pool, a sleep on a worker", [](bench& b) { b.pool.emplace(1); },
     [](bench& b) -> task<> {
       int const one = 1;
       co_await b.pool->schedule();
       co_await concur::sleep_for(200us);
       b.taken += one;
     },
     nullptr, once, either},
};

// ---- running them

bool run_item(bench& b) { return b.here.run_one() || b.elsewhere.run_one(); }

/// Runs an item that another thread may still have to post; returns false when the task has ended, or will not.
bool run_item_or_end(bench& b, future<void> const& waits) {
  auto const limit = std::chrono::steady_clock::now() + 20s;
  while (!run_item(b)) {
    if (waits.done() || std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

task<> inside(concur::cancel_scope& scope, task<> wait) {
  bool const ended = co_await scope.run(std::move(wait));
  if (!ended) throw concur::cancelled();
}

enum class canceller { of_the_future, of_the_future_elsewhere, of_all, of_a_scope };
constexpr canceller every_canceller[] = {canceller::of_the_future, canceller::of_the_future_elsewhere,
                                         canceller::of_all, canceller::of_a_scope};

void strike(bench& b, future<void>& waits, canceller how) {
  switch (how) {
    case canceller::of_the_future: waits.cancel(); break;
    case canceller::of_the_future_elsewhere: std::thread([&waits] { waits.cancel(); }).join(); break;
    case canceller::of_all: b.here.tasks().cancel(); break;
    case canceller::of_a_scope: b.scope.cancel(); break;
  }
}

/// Cancels before step `step`, which is an item or the wake. Returns whether there was one.
bool cancelled_at(wait_case const& which, int step, canceller how, support::order of_items = support::usual_order()) {
  bench b(of_items);
  which.prepare(b);
  auto waits = spawn(b.here, how == canceller::of_a_scope ? inside(b.scope, which.wait(b)) : which.wait(b));
  bool struck = false;
  bool woken = false;
  bool woken_before = false;
  for (int done = 0;; ++done) {
    if (done == step) {
      struck = true;
      woken_before = woken;
      strike(b, waits, how);
    }
    if (run_item(b)) continue;
    if (!woken) {
      if (which.wake != nullptr) which.wake(b);
      woken = true;
    } else if (!run_item_or_end(b, waits)) {
      break;
    }
  }
  REQUIRE(waits.done());
  bool const stopped = ended_by<concur::cancelled>(waits);
  if (!struck) CHECK_FALSE(stopped);
  if (which.wake != nullptr && struck && !woken_before && which.cancel != a_cancel::may_be_ignored) CHECK(stopped);
  if (woken_before && which.cancel == a_cancel::ends_the_wait && how != canceller::of_all) CHECK_FALSE(stopped);
  CHECK(which.intact(b, stopped));
  b.here.run_all();
  CHECK(b.here.tasks().empty());
  return struck;
}

/// Lets the k-th allocation fail of those up to the wait, or of those after the wake. Returns whether there was one.
bool short_of_memory_at(wait_case const& which, int k, bool after_the_wake) {
  bench b;
  which.prepare(b);
  future<void> waits;
  bool happened = false;
  {
    support::failing_new const shortage(after_the_wake ? 0 : k);
    try {
      waits = spawn(b.here, which.wait(b));
      while (run_item(b)) continue;
    } catch (std::bad_alloc const&) {
    }
    if (!after_the_wake) happened = shortage.happened();
  }
  bool const began = waits.valid();
  if (which.wake != nullptr) which.wake(b);
  if (began) {
    support::failing_new const shortage(after_the_wake ? k : 0);
    while (run_item_or_end(b, waits)) continue;
    if (after_the_wake) happened = shortage.happened();
  }
  b.here.run_all();
  REQUIRE((!began || waits.done()));
  bool const stopped = !began || ended_by<std::bad_alloc>(waits);
  if (stopped) CHECK(happened);
  CHECK(which.intact(b, stopped));
  b.here.run_all();
  CHECK(b.here.tasks().empty());
  return happened;
}

}  // namespace

TEST_CASE("every wait: a cancel at every step loses nothing", "[every_wait]") {
  for (auto const& which : every_wait) {
    for (auto const how : every_canceller) {
      int steps = 0;
      for (int step = 0;; ++step) {
        INFO(which.name << ", before step " << step << ", canceller " << int(how));
        if (!cancelled_at(which, step, how)) break;
        ++steps;
      }
      INFO(which.name);
      // Before it began, while it waited, between its wake and its resumption.
      CHECK(steps >= (which.wake != nullptr ? 3 : 2));
    }
  }
}

TEST_CASE("every wait: in whatever order runs what is ready, a cancel loses nothing", "[every_wait][every_order]") {
  std::minstd_rand random;
  support::in_every_order([&random](support::order of_items) {
    for (auto const& which : every_wait) {
      int const step = int(random() % 9) - 1;  // before the first one there is none
      auto const how = every_canceller[random() % std::size(every_canceller)];
      INFO(which.name << ", " << of_items << ", before step " << step << ", canceller " << int(how));
      static_cast<void>(cancelled_at(which, step, how, of_items));
    }
  });
}

TEST_CASE("every wait: whatever allocation fails, nothing is lost", "[every_wait]") {
  if (!support::failing_new::available()) return;
  for (auto const& which : every_wait) {
    for (bool const after_the_wake : {false, true}) {
      for (int k = 1;; ++k) {
        INFO(which.name << ", allocation " << k << (after_the_wake ? " after the wake" : ""));
        if (!short_of_memory_at(which, k, after_the_wake)) break;
      }
    }
  }
}

TEST_CASE("every wait: a cancel from elsewhere without memory for a message strikes at the next wait", "[every_wait]") {
  if (!support::failing_new::available()) return;
  static auto const waits_twice = [](bench& b) -> task<> {
    int const one = 1;
    co_await b.set.async_wait();
    b.taken += one;
    co_await b.for_child.async_wait();
    b.taken += one;
  };
  bench b;
  auto waits = spawn(b.here, waits_twice(b));
  b.here.run_all();
  bool happened = false;
  std::thread([&] {
    support::failing_new const shortage(1);
    waits.cancel();
    happened = shortage.happened();
  }).join();
  b.here.run_all();
  CHECK(waits.done() == !happened);
  b.set.set();
  b.here.run_all();
  REQUIRE(waits.done());
  CHECK(ended_by<concur::cancelled>(waits));
  CHECK(b.taken == (happened ? 1 : 0));
  if (concur::os::watches_memory) CHECK(happened);  // else the block may have been at hand
}
