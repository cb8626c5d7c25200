// SPDX-License-Identifier: BSL-1.0
//
// C13: a function that blocks must not run on the loop, where it would stop everything. A pool runs it, and a coroutine
// awaits the future of that: Python's to_thread and run_in_executor, without a bridge between two kinds of future.
#include <concur/concur.hpp>

#include <string>
#include <utility>

#include "tutorial.hpp"

using namespace tutorial;

std::string blocking_call(int seconds) {
  concur::this_thread::sleep_for(seconds * 1s / speed);  // a client library that knows nothing of coroutines
  return concur::this_thread::name();
}

// Shows that the loop turns.
concur::task<> tick(int& ticks) {
  for (;;) {
    co_await concur::sleep_for(100ms / speed);
    ++ticks;
  }
}

concur::task<> ask(concur::thread_pool& pool, char const* which) {
  int ticks = 0;
  std::string worker;
  co_await concur::with_group([&](concur::task_group& group) -> concur::task<> {
    group.spawn(tick(ticks));
    auto job = pool.submit(blocking_call, 2);
    worker = co_await job;
    group.cancel();  // the ticks end here
  });
  say(which, " has run it on ", worker, ", and the loop has ", ticks > 0 ? "turned" : "stood still", " meanwhile");
  expect(ticks > 0, "the loop keeps turning");
  expect(worker != concur::this_thread::name(), "the work ran on another thread");
}

concur::task<> several() {
  concur::thread_pool pool(2, concur::thread_pool_options().name("blocking"));
  co_await ask(concur::default_pool(), "the default pool");
  co_await ask(pool, "a pool of its own");

  // As many at the same time as the pool has workers.
  stopwatch watch;
  auto first = pool.submit(blocking_call, 1);
  auto second = pool.submit(blocking_call, 1);
  auto const [a, b] = co_await concur::gather(std::move(first), std::move(second));
  say("two at once: ", a != b, ", after ", watch.seconds(), " s");
  expect(a != b, "each has a worker of its own");
}

int main(int count, char** words) {
  arguments(count, words, "Blocking functions on the default pool and on one of the program's own.");
  concur::run(several());
}
