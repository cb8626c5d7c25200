// SPDX-License-Identifier: BSL-1.0
//
// What the tests of the parallel algorithms share: callers of every kind, and attempts to see two threads at work.
#pragma once

#include "../support/catch.hpp"
#include "../support/hammer.hpp"

#include <concur/core/errors.hpp>
#include <concur/pool/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

namespace support::inline CONCUR_ABI {

/// Calls `test(pool)` for pools of one, two and four workers, from outside and as a job of the pool, where assertions
/// must not be used.
template <class Test>
void for_every_caller(Test test) {
  for (std::size_t const workers : {1u, 2u, 4u}) {
    concur::thread_pool pool(workers);
    test(pool);
    pool.submit([&] { test(pool); }).get();
  }
}

/// Counts how often each element is visited, by any thread.
class visits {
 public:
  explicit visits(std::size_t elements) : counts_(elements) {}

  void add(std::size_t element) { counts_[element].fetch_add(1, std::memory_order_relaxed); }
  int of(std::size_t element) const { return counts_[element].load(); }
  bool all_are(int count) const {
    return std::all_of(counts_.begin(), counts_.end(), [count](auto const& each) { return each.load() == count; });
  }
  std::size_t sum() const {
    std::size_t all = 0;
    for (auto const& each : counts_) all += std::size_t(each.load());
    return all;
  }

 private:
  std::vector<std::atomic<int>> counts_;
};

/// Gives other threads the chance to do something, for so long; returns whether they did.
template <class Condition>
bool seen_soon(Condition condition) {
  for (int i = 0; i < 2'000; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return condition();
}

/// What may happen at each attempt, but need not: whether it did at one of many.
template <class Attempt>
bool happens(Attempt attempt) {
  for (int i = 0; i < 500; ++i) {
    if (attempt()) return true;
  }
  return false;
}

/// The numbers of the errors that `call` throws, in their order: one that comes alone, or several. -1 for one that is
/// something else.
template <class Error, class Call>
std::vector<int> numbers_thrown(Call call) {
  auto const number_of = [](std::exception_ptr const& error) {
    try {
      std::rethrow_exception(error);
    } catch (Error const& thrown) {
      return thrown.number;
    } catch (...) {
      return -1;
    }
  };
  std::vector<int> numbers;
  try {
    call();
  } catch (concur::multiple_errors const& several) {
    for (auto const& each : several.errors()) numbers.push_back(number_of(each));
    // One alone is not wrapped.
    if (numbers.size() < 2) return {-1};
  } catch (...) {
    numbers.push_back(number_of(std::current_exception()));
  }
  return numbers;
}

}  // namespace support::inline CONCUR_ABI
