// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that waits until a future is done, and leaves it as it is.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/waiter.hpp>
#include <concur/future/future_state_base.hpp>

namespace concur::inline CONCUR_ABI::detail {

/// Holds a reference: when the task resumes, or is cancelled, nobody else may hold one any more.
class [[nodiscard]] completion_await final : public waiting_awaiter<completion_await> {
 public:
  explicit completion_await(future_state_base& awaited) noexcept : state_(awaited) { state_.add_reference(); }
  ~completion_await() { state_.drop_reference(); }
  completion_await(completion_await const&) = delete;
  completion_await& operator=(completion_await const&) = delete;

  void await_resume() const { throw_if_stopped(); }

 private:
  friend waiting_awaiter<completion_await>;
  bool attempt() const noexcept { return state_.done(); }
  bool enqueue(waiter& arriving) const noexcept { return state_.enqueue(arriving); }
  bool withdraw(waiter& leaving) const noexcept { return state_.withdraw(leaving); }

  future_state_base& state_;
};

}  // namespace concur::inline CONCUR_ABI::detail
