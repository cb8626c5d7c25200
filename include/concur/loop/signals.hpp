// SPDX-License-Identifier: BSL-1.0
//
// Signals of the operating system, awaited like anything else. Python's loop.add_signal_handler.
//
//     concur::task<> serve() {
//       concur::signal_set ends(SIGTERM, SIGINT);        // from here on they no longer end the process
//       int const which = co_await ends.next();
//       …
//     }
//     int const which = co_await concur::wait_signal(SIGUSR1);
#pragma once

#include <concur/core/errors.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/detail/loop_signals.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/sync/event.hpp>

#include <bit>
#include <concepts>
#include <cstdint>

namespace concur::inline CONCUR_ABI {

/// Takes signals over while it lives, for the loop that runs on this thread, and gives them back to whoever handled
/// them before. Used on that thread. A signal that comes several times before it is looked at counts once, as in the
/// kernel. Several sets of one loop may have the same signal: each is told. Neither copied nor moved.
class signal_set final : private detail::signal_receiver {
 public:
  /// Throws misuse outside a running loop or when another loop has one of the signals, and std::system_error for a
  /// signal that does not exist or cannot be handled (SIGKILL).
  template <std::same_as<int>... Signals>
  explicit signal_set(Signals... signals) {
    event_loop* const loop = event_loop::current();
    if (loop == nullptr) throw misuse("signals were asked for where no event loop runs");
    try {
      (loop->signals().add(*this, signals), ...);
    } catch (...) {
      detail::loop_signals::remove(*this);
      throw;
    }
  }
  ~signal_set() { detail::loop_signals::remove(*this); }
  signal_set(signal_set const&) = delete;
  signal_set& operator=(signal_set const&) = delete;

  /// Waits for the next of them and gives its number, lowest first if several have come. One task at a time.
  task<int> next() {
    int which = try_next();
    while (which == 0) {
      arrived_.clear();
      co_await arrived_.async_wait();
      which = try_next();
    }
    co_return which;
  }

  /// The same without waiting: 0 if none has come.
  int try_next() noexcept {
    if (pending_ == 0) return 0;
    int const which = std::countr_zero(pending_) + 1;
    pending_ &= pending_ - 1;
    return which;
  }

 private:
  void signals_arrived(std::uint64_t which) noexcept override {
    pending_ |= which;
    arrived_.set();
  }

  std::uint64_t pending_ = 0;
  event arrived_;
};

/// `co_await wait_signal(SIGTERM, SIGHUP)`: waits for one of them, once, and gives its number. The signals are taken
/// over when the task begins, and given back when it ends.
template <std::same_as<int>... Signals>
task<int> wait_signal(Signals... signals) {
  signal_set all(signals...);
  co_return co_await all.next();
}

}  // namespace concur::inline CONCUR_ABI
