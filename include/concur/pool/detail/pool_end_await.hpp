// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that shuts a pool down and waits until its workers have ended.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/task_context.hpp>
#include <concur/core/waiter.hpp>
#include <concur/pool/detail/pool_state.hpp>

#include <cstddef>
#include <memory>

namespace concur::inline CONCUR_ABI::detail {

/// Waits for one worker after the other, since all end at about the same time. One allocation.
class [[nodiscard]] pool_end_await final : public stepping_awaiter<pool_end_await> {
  using base = stepping_awaiter<pool_end_await>;

 public:
  /// Not on a thread of the pool.
  pool_end_await(pool_state& pool, bool cancel_pending)
      : pool_(pool), cancel_pending_(cancel_pending), waiters_(new waiter[pool.threads().count()]) {}

  void await_resume() const {
    base::await_resume();
    pool_.join();  // a moment at the most: nothing of the workers' own runs any more
  }

  // Each waiter stands in one list only, whatever step the task is at: so a canceller beside it asks the right ones.
  void cancel() noexcept override {
    for (std::size_t i = 0; i < pool_.threads().count(); ++i) {
      if (pool_.threads().ended(i).withdraw(waiters_[i])) return waiters_[i].wake(wake_reason::stopped);
    }
  }

 private:
  friend base;

  // Not at the call: a task that is cancelled already closes nothing.
  bool attempt() {
    pool_.close(cancel_pending_);
    for (; next_ != pool_.threads().count(); ++next_) {
      if (!pool_.threads().ended(next_).is_set()) return false;
    }
    return true;
  }

  bool step(task_context& task) {
    for (; next_ != pool_.threads().count(); ++next_) {
      waiter& mine = waiters_[next_];
      if (mine.reason() == wake_reason::none) {
        mine.bind(task);
        if (pool_.threads().ended(next_).enqueue(mine)) return true;
      }
      this->stopped_ = mine.reason() == wake_reason::stopped;
      if (this->stopped_) return false;
    }
    return false;
  }

  pool_state& pool_;
  bool const cancel_pending_;
  std::unique_ptr<waiter[]> const waiters_;
  std::size_t next_ = 0;  // the first that may not have ended
};

}  // namespace concur::inline CONCUR_ABI::detail
