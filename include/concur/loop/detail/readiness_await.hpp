// SPDX-License-Identifier: BSL-1.0
//
// What a coroutine awaits until a descriptor of its loop is ready.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/loop/detail/descriptor_await.hpp>
#include <concur/loop/detail/descriptor_waiter.hpp>
#include <concur/loop/detail/loop_poller.hpp>

namespace concur::inline CONCUR_ABI::detail {

class [[nodiscard]] readiness_await final : public descriptor_await<readiness_await, descriptor_waiter> {
 public:
  readiness_await(executor& loop, loop_poller& poller, int fd, what wanted) noexcept
      : descriptor_await(loop, poller, fd, wanted) {}

  void await_resume() const { throw_if_failed(); }

  // ---- for the base

  // Nothing is asked of the system before the wait, which asks as well.
  bool attempt_now() const noexcept { return false; }
  bool has_result() const noexcept { return false; }
  bool begin() { return poller().add(*this); }
};

}  // namespace concur::inline CONCUR_ABI::detail
