// SPDX-License-Identifier: BSL-1.0
//
// What a coroutine awaits that has its loop carry out a call on a file.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/waiter.hpp>
#include <concur/loop/detail/file_operation.hpp>
#include <concur/loop/detail/loop_poller.hpp>
#include <concur/loop/file_call.hpp>

#include <coroutine>
#include <cstdint>
#include <optional>

namespace concur::inline CONCUR_ABI::detail {

/// Begun, it cannot be taken back: a cancel waits for it, and its outcome counts.
class [[nodiscard]] file_await final : public waiting_awaiter<file_await>, private file_operation {
  using base = waiting_awaiter<file_await>;

 public:
  file_await(executor& loop, loop_poller& poller, file_call const& call) noexcept
      : file_operation(call), loop_(loop), poller_(poller) {}

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if (current_executor() != &loop_) [[unlikely]]
      throw misuse("a file was waited for in a coroutine that does not run on that event loop");
    return base::await_suspend(handle);
  }
  std::optional<std::int64_t> await_resume() const {
    throw_if_stopped();
    return result_;
  }

  // ---- for the base

  bool attempt() const noexcept { return false; }
  bool enqueue(waiter& me) noexcept {
    bool const refused = me.refused();
    if (!refused && poller_.begin(*this)) return true;
    me.settle(refused ? wake_reason::stopped : wake_reason::granted);
    return false;
  }
  bool withdraw(waiter&) const noexcept { return false; }

 private:
  void ready(std::optional<std::int64_t> result) noexcept final {
    result_ = result;
    waiter_.wake(wake_reason::granted);
  }

  executor& loop_;
  loop_poller& poller_;
  std::optional<std::int64_t> result_;
};

}  // namespace concur::inline CONCUR_ABI::detail
