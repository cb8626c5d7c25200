// SPDX-License-Identifier: BSL-1.0
//
// What the parts of a parallel algorithm throw: the first error stops the rest, and all are thrown at the end.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/short_lock.hpp>

#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// Any thread calls `any` and `add`; `rethrow` comes when all parts have ended.
class part_errors {
 public:
  part_errors() noexcept = default;
  part_errors(part_errors const&) = delete;
  part_errors& operator=(part_errors const&) = delete;

  /// Whether there is one. relaxed: whether another element is visited meanwhile makes no difference.
  bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// The exception that is being handled. Where there is no memory for a list, the first one alone is kept.
  [[gnu::cold, gnu::noinline]] void add() noexcept {
    any_.store(true, std::memory_order_relaxed);
    std::lock_guard const hold(adding_);
    if (first_ == nullptr) {
      first_ = std::current_exception();
      return;
    }
    try {
      others_.push_back(std::current_exception());
    } catch (...) {
    }
  }

  /// Throws one error as it is, several as multiple_errors, in the order in which they came.
  void rethrow_any() {
    if (any()) [[unlikely]]
      rethrow();
  }

 private:
  [[gnu::cold, gnu::noinline]] void rethrow() {
    if (others_.empty()) std::rethrow_exception(first_);
    others_.insert(others_.begin(), first_);
    throw multiple_errors(std::move(others_));
  }

  os::atomic<bool> any_{false};  // written by add, read by all between their chunks
  short_lock adding_;
  // Under adding_ while parts run.
  std::exception_ptr first_;
  std::vector<std::exception_ptr> others_;
};

}  // namespace concur::inline CONCUR_ABI::detail
