// SPDX-License-Identifier: BSL-1.0
//
// What a coroutine awaits that has its loop carry out a call on a descriptor.
#pragma once

#include <concur/core/executor.hpp>
#include <concur/loop/detail/descriptor_await.hpp>
#include <concur/loop/detail/io_operation.hpp>
#include <concur/loop/detail/loop_poller.hpp>
#include <concur/loop/io_call.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// The call is tried at once, and again when the descriptor is ready. `finish(result)` then makes what the await gives
/// of what the system returned, or of minus an error number.
template <class Finish>
class [[nodiscard]] io_await final : public descriptor_await<io_await<Finish>, io_operation> {
  using base = descriptor_await<io_await, io_operation>;

 public:
  io_await(executor& loop, loop_poller& poller, io_call const& call, Finish finish) noexcept
      : base(loop, poller, call), finish_(std::move(finish)) {}

  decltype(auto) await_resume() {
    this->throw_if_failed();
    return finish_(this->result());
  }

  // ---- for the base

  bool attempt_now() {
    if (this->call().moves_nothing()) [[unlikely]] {
      this->advance();  // others run first: so that who does nothing starves nobody
      return false;
    }
    return this->poller().attempt_owned(*this) == loop_poller::attempted::done;
  }
  using io_operation::has_result;
  bool begin() {
    this->poller().add_owned(*this);
    return true;
  }

 private:
  [[no_unique_address]] Finish finish_;
};

}  // namespace concur::inline CONCUR_ABI::detail
