// SPDX-License-Identifier: BSL-1.0
//
// Several threads that do the same thing for a fixed time.
#pragma once

#include "cases.hpp"
#include "cpus.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace bench {

/// Calls `work(index, stop)` on each of `threads` threads; it returns when `stop` is true. Returns the time from the
/// common start to the stop. Two threads are pinned to one core each, more of them share both cores.
template <class Work>
std::chrono::duration<double> run_crew(int threads, std::chrono::milliseconds length, Work work) {
  using namespace std::chrono;
  alignas(64) std::atomic<int> arrived{0};
  alignas(64) std::atomic<bool> go{false};
  alignas(64) std::atomic<bool> stop{false};
  std::vector<std::jthread> crew;
  for (int index = 0; index < threads; ++index) {
    crew.emplace_back([&, index] {
      if (threads == 2) {
        pin_to(index == 0 ? cpus().first : cpus().second);
      } else {
        pin_to(cpus().first, cpus().second);
      }
      arrived.fetch_add(1);
      while (!go.load()) std::this_thread::yield();
      work(index, stop);
    });
  }
  while (arrived.load() != threads) std::this_thread::yield();
  auto const start = steady_clock::now();
  go.store(true);
  std::this_thread::sleep_for(length);
  stop.store(true);
  return steady_clock::now() - start;
}

}  // namespace bench
