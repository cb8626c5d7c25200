// SPDX-License-Identifier: BSL-1.0
//
// What the tests of the thread pool share: workers that are held, what a test must not leave behind.
//
//     support::held_workers held(pool, 1);      // from now on they run nothing else
//     auto const f = pool.submit(work);         // so this is queued
//     held.release();
#pragma once

#include "../support/recorded_errors.hpp"
#include "../support/sanitizers.hpp"

#include <concur/core/registry.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/thread/thread_info.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace support::inline CONCUR_ABI {

/// Whether `fine()` becomes true, where nobody tells when. The limit only ends a test that has failed.
template <class Fine>
bool soon(Fine fine) {
  auto const limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!fine()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

/// The threads there are, for the kernel and for the library, and the pools in the registry, must be as many in the end
/// as in the beginning.
class nothing_left_behind {
 public:
  bool holds() const {
    return soon([this] {
      return concur::thread_count() == listed_ && kernel_threads() == running_ && listed_pools() == pools_;
    });
  }

 private:
  static std::size_t kernel_threads() {
    // The thread sanitizer has a thread of its own from the first one of the program on.
    static bool const started = (std::thread([] {}).join(), true);
    static_cast<void>(started);
    std::filesystem::directory_iterator const tasks("/proc/self/task");
    return std::size_t(std::distance(begin(tasks), end(tasks)));
  }
  static std::size_t listed_pools() {
    std::size_t count = 0;
    concur::registry::for_each(
        [&count](concur::registry_entry const& entry) { count += entry.kind() == concur::registry_kind::thread_pool; });
    return count;
  }

  std::size_t const listed_ = concur::thread_count();
  std::size_t const running_ = kernel_threads();
  std::size_t const pools_ = listed_pools();
};

/// Jobs that hold `count` workers, each of them one, until they are released; begun when the constructor returns.
class held_workers {
 public:
  held_workers(concur::thread_pool& pool, int count) : begun_(count), ended_(count) {
    for (int i = 0; i < count; ++i) {
      pool.post([this] {
        begun_.count_down();
        gate_.wait();
        ended_.count_down();
      });
    }
    begun_.wait();
  }
  ~held_workers() {
    release();
    ended_.wait();
  }
  held_workers(held_workers const&) = delete;
  held_workers& operator=(held_workers const&) = delete;

  void release() { gate_.set(); }

 private:
  concur::latch begun_;
  concur::latch ended_;
  concur::event gate_;
};

/// Whether `attempt` throws an Error.
template <class Error, class Attempt>
bool throws(Attempt attempt) {
  try {
    attempt();
  } catch (Error const&) {
    return true;
  }
  return false;
}

}  // namespace support::inline CONCUR_ABI
