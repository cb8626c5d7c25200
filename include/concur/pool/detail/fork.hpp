// SPDX-License-Identifier: BSL-1.0
//
// A part of a parallel algorithm that may run elsewhere. It lies on the stack of the member that made it, which takes
// it back and runs it itself, or finds that a thief has it and waits.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/pool/detail/pool_member.hpp>

#include <exception>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// `run()` is for the thief, once; on the thread of a member. The rest is for the owner.
class fork : public work {
 public:
  fork(fork const&) = delete;
  fork& operator=(fork const&) = delete;

  /// Whether the thief has run it. acquire: what the thief did is visible.
  bool done() const noexcept { return done_.load(std::memory_order_acquire); }

  /// Who runs it, or has; null before it has begun.
  // relaxed: memberships are as old as the pool, and what is shared in them looks after itself.
  pool_member* thief() const noexcept { return thief_.load(std::memory_order_relaxed); }

  /// What it threw, or null. Requires: done.
  std::exception_ptr take_error() noexcept { return std::move(error_); }

 protected:
  explicit fork(function what) noexcept : work(what) {}
  ~fork() = default;

  /// For the function given: calls `body()` as the thief.
  template <class Body>
  void run_stolen(Body&& body) noexcept {
    pool_member& here = *pool_member::current();
    thief_.store(&here, std::memory_order_relaxed);
    try {
      body();
    } catch (...) {
      error_ = std::current_exception();
    }
    done_.store(true, std::memory_order_release);  // the fork may be gone now
    here.helpers.notify_all();
  }

 private:
  os::atomic<pool_member*> thief_{nullptr};  // written by the thief when it begins
  os::atomic<bool> done_{false};             // written by the thief when it ends
  std::exception_ptr error_;                 // written by the thief before done_
};

/// A fork that calls a function, which stays where it is.
template <class Function>
class forked_call final : public fork {
 public:
  explicit forked_call(Function& called) noexcept
      : fork([](work& self) noexcept {
          auto& mine = static_cast<forked_call&>(self);
          mine.run_stolen(mine.function_);
        }),
        function_(called) {}

 private:
  Function& function_;
};

}  // namespace concur::inline CONCUR_ABI::detail
