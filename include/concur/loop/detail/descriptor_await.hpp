// SPDX-License-Identifier: BSL-1.0
//
// What coroutines await at a descriptor of their loop: the wait, the event that ends it, and who cancels it.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/waiter.hpp>
#include <concur/loop/detail/loop_poller.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Base of an awaiter. Derived gives `attempt_now()`, as waiting_awaiter's `attempt`; and `begin()`: have the poller
/// watch for it, or return false when there is nothing to wait for. What either throws comes out of the await.
///
/// A cancel may come from another thread when the task's scope reaches beyond the loop: it then sends the loop a
/// message, in which the wait ends. Whether it has been published, cancelled and told is one word, in which the first
/// to come decides.
///
/// A cancel ends the wait at once, unless the system is at work for it: then when it has let go, with its outcome if
/// there is one. `Waiter` is what the poller knows of it.
template <class Derived, class Waiter>
class descriptor_await : public waiting_awaiter<descriptor_await<Derived, Waiter>>, protected Waiter, private work {
  using base = waiting_awaiter<descriptor_await>;

 public:
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    if (current_executor() != &loop_) [[unlikely]]
      throw misuse("a descriptor was waited for in a coroutine that does not run on that event loop");
    return base::await_suspend(handle);
  }

  // ---- for the base

  bool attempt() { return derived().attempt_now(); }

  bool enqueue(waiter& me) noexcept {
    if (derived().has_result()) {
      // It only lets others run first.
      state_.store(published | told, std::memory_order_relaxed);
      me.wake(wake_reason::granted);
      return true;
    }
    // A canceller elsewhere that came too early to see this wait.
    if (me.refused()) return settled_at_once(me, wake_reason::stopped);
    try {
      if (!derived().begin()) return settled_at_once(me, wake_reason::granted);
    } catch (...) {
      error_ = std::current_exception();
      return settled_at_once(me, wake_reason::granted);
    }
    // relaxed, here and below: which of the two comes first is all that counts. What it was that was published only
    // the loop's thread looks at; and the post of the message, or the scope's lock, orders what the canceller did.
    if ((state_.fetch_or(published, std::memory_order_relaxed) & cancelled) == 0) return true;
    return !remove() || settled_at_once(me, wake_reason::stopped);
  }

  bool withdraw(waiter&) noexcept {
    auto const before = state_.fetch_or(cancelled, std::memory_order_relaxed);
    if (before != published) return false;  // not begun, told, or cancelled before
    if (current_executor() == &loop_) return remove();
    loop_.post(*this);
    return false;
  }

 protected:
  template <class... Arguments>
  descriptor_await(executor& loop, loop_poller& poller, Arguments&&... arguments) noexcept
      : Waiter(std::forward<Arguments>(arguments)...), work(&end_cancelled), loop_(loop), poller_(poller) {}

  void throw_if_failed() const {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
    this->throw_if_stopped();
  }

  loop_poller& poller() noexcept { return poller_; }

 private:
  enum : std::uint32_t { published = 1, cancelled = 2, told = 4 };

  Derived& derived() noexcept { return static_cast<Derived&>(*this); }

  bool settled_at_once(waiter& me, wake_reason why) noexcept {
    me.settle(why);
    return false;
  }

  // Returns false when `ready` will be called.
  bool remove() noexcept {
    removed_ = true;
    return poller_.remove(static_cast<Waiter&>(*this));
  }

  void ready(int error) noexcept final {
    if (removed_) return this->waiter_.wake(error == 0 ? wake_reason::granted : wake_reason::stopped);
    if (error != 0) {
      error_ = std::make_exception_ptr(std::system_error(error, std::generic_category(), "waiting for a descriptor"));
    }
    // A canceller that finds `told` has nothing to do; if there is one already, its message comes later.
    if ((state_.fetch_or(told, std::memory_order_relaxed) & cancelled) == 0) this->waiter_.wake(wake_reason::granted);
  }

  static void end_cancelled(work& self) noexcept {
    auto& mine = static_cast<descriptor_await&>(self);
    bool const told_before = (mine.state_.load(std::memory_order_relaxed) & told) != 0;
    if (told_before) return mine.waiter_.wake(wake_reason::granted);
    if (mine.remove()) mine.waiter_.wake(wake_reason::stopped);
  }

  executor& loop_;
  loop_poller& poller_;
  std::exception_ptr error_;
  os::atomic<std::uint32_t> state_{0};
  bool removed_ = false;  // by a cancel, on the loop's thread
};

}  // namespace concur::inline CONCUR_ABI::detail
