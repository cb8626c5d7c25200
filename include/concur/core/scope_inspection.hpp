// SPDX-License-Identifier: BSL-1.0
//
// How reports look at the tasks of a scope while these run on: the body of cancellation::inspect.
//
//     scope.inspect([](cancellable& task, wait_operation* operation) { … });
#pragma once

#include <concur/core/cancellation.hpp>
#include <concur/core/os.hpp>

#include <cstdint>
#include <utility>

namespace concur::inline CONCUR_ABI {

// The scopes that a report has locked and marked and has not done with, inner ones first: so each stays locked until
// all inside it are done with, and none of these can go before.
class cancellation::inspection {
 public:
  explicit inspection(cancellation& outermost) noexcept {
    begin(outermost);
    // As in cancel; then the list is turned round.
    for (cancellation *scope = &outermost, *last = &outermost; scope != nullptr; scope = scope->next_marked_) {
      for (cancellation& inner : scope->inner_) {
        begin(inner);
        last = last->next_marked_ = &inner;
      }
    }
    for (cancellation* scope = &outermost; scope != nullptr;) {
      cancellation* const inner = std::exchange(scope->next_marked_, next_);
      next_ = std::exchange(scope, inner);
    }
    if (outermost.use_ == sharing::many_threads) os::heavy_barrier();
  }
  ~inspection() {
    while (next_ != nullptr) let_go();
  }
  inspection(inspection const&) = delete;
  inspection& operator=(inspection const&) = delete;

  /// The next scope, or null.
  cancellation* scope() const noexcept { return next_; }

  // The scope may be gone afterwards, if it was the last.
  void let_go() noexcept {
    cancellation& done = *std::exchange(next_, next_->next_marked_);
    if (done.use_ == sharing::one_thread) return;
    // relaxed: under the lock. release: as in sweep.
    auto const state = done.state_.load(std::memory_order_relaxed);
    done.state_.store(state & ~std::uint32_t{busy}, std::memory_order_release);
    done.lock_.unlock();
  }

 private:
  static void begin(cancellation& scope) noexcept {
    if (scope.use_ == sharing::many_threads) {
      scope.lock_.lock();
      // relaxed: as in mark.
      scope.state_.store(scope.state_.load(std::memory_order_relaxed) | busy, std::memory_order_relaxed);
    }
    scope.next_marked_ = nullptr;
  }

  cancellation* next_ = nullptr;
};

template <class Function>
void cancellation::inspect(Function function) {
  for (inspection all(*this); all.scope() != nullptr; all.let_go()) {
    for (cancellable& task : all.scope()->tasks_) {
      // acquire: what the task was when it showed it.
      auto* const operation = task.operation_.load(std::memory_order_acquire);
      if (operation != &has_ended) function(task, operation);
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
