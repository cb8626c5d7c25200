// SPDX-License-Identifier: BSL-1.0
//
// What the parts of a parallel algorithm throw: the first error stops the rest, and all are thrown at the end.
#pragma once

#include <concur/core/error_collector.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>

#include <exception>
#include <mutex>

namespace concur::inline CONCUR_ABI::detail {

/// Any thread calls `any` and `add`; `rethrow` comes when all parts have ended.
class part_errors {
 public:
  part_errors() noexcept = default;
  part_errors(part_errors const&) = delete;
  part_errors& operator=(part_errors const&) = delete;

  /// Whether there is one. relaxed: whether another element is visited meanwhile makes no difference.
  bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// The exception that is being handled.
  [[gnu::cold, gnu::noinline]] void add() noexcept {
    any_.store(true, std::memory_order_relaxed);
    std::lock_guard const hold(adding_);
    errors_.add(std::current_exception());
  }

  /// Throws one error as it is, several as multiple_errors, in the order in which they came.
  void rethrow_any() { errors_.throw_any(); }

 private:
  os::atomic<bool> any_{false};  // written by add, read by all between their chunks
  short_lock adding_;
  error_collector errors_;  // under adding_ while parts run
};

}  // namespace concur::inline CONCUR_ABI::detail
