// SPDX-License-Identifier: BSL-1.0
//
// The threads of a pool's workers, which start all together or not at all.
#pragma once

#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>
#include <concur/pool/thread_pool_options.hpp>
#include <concur/sync/event.hpp>
#include <concur/sync/latch.hpp>
#include <concur/thread/thread.hpp>
#include <concur/thread/thread_options.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// `start` and destruction belong to one thread. Destroyed on one of its own threads, that goes on alone.
class pool_threads {
 public:
  pool_threads(std::size_t count, thread_pool_options const& options)
      : count_(count), initializer_(options.initializer()), initialized_(std::ptrdiff_t(count) + 1) {
    threads_.reserve(count);
  }

  /// The name that was asked for, or one that no pool has had.
  static std::string name_for(thread_pool_options const& options) {
    static constinit os::machine_atomic<unsigned> made{0};
    if (!options.name().empty()) return options.name();
    return "pool-" + std::to_string(made.fetch_add(1, std::memory_order_relaxed) + 1);
  }

  /// Starts as many threads as there are to be: `work(i)` on the i-th, after the initializer; returns when that has
  /// been called on all of them. Throws std::system_error, std::bad_alloc, and what the initializer throws; then those
  /// that were started have to be told to end, and joined.
  template <class Work>
  void start(std::string const& name, thread_options each, Work work) {
    for (std::size_t i = 0; i < count_; ++i) {
      each.name(name + '-' + std::to_string(i + 1));
      threads_.emplace_back(each, [this, work, i] {
        if (initializer_) initialize();
        work(i);
      });
    }
    if (initializer_) initialized_.arrive_and_wait();
    if (error_) std::rethrow_exception(error_);
  }

  /// Waits until all have ended. Any thread but these, any number of times.
  void join() {
    for (thread& each : threads_) each.join();
  }

  /// The same by `join(thread&)`, a join with a limit: returns whether all have ended, and asks no more of them after
  /// one that has not.
  template <class Join>
  bool join_each(Join join) {
    return std::ranges::all_of(threads_, join);
  }

  std::size_t count() const noexcept { return threads_.size(); }
  /// Set when the i-th has ended, but for the moment that a join takes.
  event& ended(std::size_t i) const noexcept { return thread_access::state(threads_[i]).ended(); }

  /// Whether the calling thread is one of them, also while its thread_local objects end.
  bool include_this_one() const noexcept {
    int const me = os::this_thread_id();
    // The number of one that has ended may be another's by now.
    return std::ranges::any_of(threads_, [me](thread const& each) { return each.native_id() == me && each.alive(); });
  }

 private:
  void initialize() noexcept {
    try {
      initializer_();
    } catch (...) {
      std::lock_guard const hold(lock_);
      error_ = std::current_exception();
    }
    initialized_.count_down();
  }

  std::size_t const count_;
  std::function<void()> const initializer_;
  latch initialized_;  // the threads, and the one that starts them
  short_lock lock_;
  std::exception_ptr error_;  // under lock_; then read when all are initialized
  std::vector<thread> threads_;
};

}  // namespace concur::inline CONCUR_ABI::detail
