// SPDX-License-Identifier: BSL-1.0
//
// What a coroutine awaits until a descriptor of its loop is ready.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>
#include <concur/loop/detail/epoll_poller.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

/// A cancel may come from another thread when the task's scope reaches beyond the loop: it then sends the loop a
/// message, in which the wait ends. Whether it has been published, cancelled and told is one word, in which the first
/// to come decides.
class [[nodiscard]] readiness_await final : public waiting_awaiter<readiness_await>,
                                            private descriptor_waiter,
                                            private work {
 public:
  readiness_await(executor& loop, epoll_poller& poller, int fd, what wanted) noexcept
      : descriptor_waiter(fd, wanted), work(&end_cancelled), loop_(loop), poller_(poller) {}

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if (current_executor() != &loop_) [[unlikely]]
      throw misuse("a descriptor was waited for in a coroutine that does not run on that event loop");
    return waiting_awaiter::await_suspend(handle);
  }

  void await_resume() const {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
    throw_if_stopped();
  }

  // ---- for the base

  // Nothing is asked of the system before the wait, which asks as well.
  bool attempt() noexcept { return false; }

  bool enqueue(waiter& me) noexcept {
    try {
      if (!poller_.add(*this)) return granted_at_once(me);
    } catch (...) {
      error_ = std::current_exception();
      return granted_at_once(me);
    }
    // acq_rel here and in withdraw: if this comes second it sees the cancel, else the canceller sees all of this.
    if ((state_.fetch_or(published, std::memory_order_acq_rel) & cancelled) == 0) return true;
    poller_.remove(*this);
    me.settle(wake_reason::stopped);
    return false;
  }

  bool withdraw(waiter&) noexcept {
    auto const before = state_.fetch_or(cancelled, std::memory_order_acq_rel);
    if (before != published) return false;  // not begun, told, or cancelled before
    if (current_executor() == &loop_) {
      poller_.remove(*this);
      return true;
    }
    loop_.post(*this);
    return false;
  }

 private:
  enum : std::uint32_t { published = 1, cancelled = 2, told = 4 };

  bool granted_at_once(waiter& me) noexcept {
    me.settle(wake_reason::granted);
    return false;
  }

  void ready(int error) noexcept override {
    if (error != 0) set_error(error);
    // relaxed: a canceller that finds `told` has nothing to do; if there is one already, its message comes later.
    if ((state_.fetch_or(told, std::memory_order_relaxed) & cancelled) == 0) waiter_.wake(wake_reason::granted);
  }

  static void end_cancelled(work& self) noexcept {
    auto& mine = static_cast<readiness_await&>(self);
    bool const told_before = (mine.state_.load(std::memory_order_relaxed) & told) != 0;
    if (!told_before) mine.poller_.remove(mine);
    mine.waiter_.wake(told_before ? wake_reason::granted : wake_reason::stopped);
  }

  void set_error(int error) noexcept {
    error_ = std::make_exception_ptr(std::system_error(error, std::generic_category(), "waiting for a descriptor"));
  }

  executor& loop_;
  epoll_poller& poller_;
  std::exception_ptr error_;
  os::atomic<std::uint32_t> state_{0};
};

}  // namespace concur::inline CONCUR_ABI::detail
