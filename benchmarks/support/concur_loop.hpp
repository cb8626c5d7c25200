// SPDX-License-Identifier: BSL-1.0
//
// Coroutines of concur on a loop of one thread, under the words that all libraries share: `run` from plain code; in a
// coroutine `co_await loop.yield()`, `co_await loop.spawn(task)`, which waits for its result, and `loop.start(task)`,
// which does not.
#pragma once

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>

#include <utility>

namespace bench {

class concur_loop {
 public:
  template <class T>
  using task = concur::task<T>;

  template <class T>
  static T run(concur::task<T> body) {
    return concur::run(std::move(body));
  }
  static auto yield() { return concur::yield(); }
  template <class T>
  static auto spawn(concur::task<T> body) {
    return concur::spawn(std::move(body));
  }
  static void start(concur::task<void> body) { static_cast<void>(concur::spawn(std::move(body))); }
};

}  // namespace bench
