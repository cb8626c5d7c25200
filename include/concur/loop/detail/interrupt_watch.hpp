// SPDX-License-Identifier: BSL-1.0
//
// SIGINT while a loop runs a task on the main thread: the first one calls a function, the next one ends the process.
#pragma once

#include <concur/core/os.hpp>
#include <concur/loop/detail/loop_signals.hpp>

#include <csignal>
#include <cstdint>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// For as long as it lives, from the second round of the loop on: a task that ends in its first round pays nothing.
template <class Function>
class interrupt_watch final : public signal_receiver {
 public:
  interrupt_watch(loop_signals& signals, Function on_interrupt) noexcept
      : signals_(signals), on_interrupt_(on_interrupt) {}
  /// One that came too late to be told of, in the last round, does what it did before.
  ~interrupt_watch() {
    if (stop()) ::raise(SIGINT);
  }
  interrupt_watch(interrupt_watch const&) = delete;
  interrupt_watch& operator=(interrupt_watch const&) = delete;

  /// Before each round, the first one included. Returns whether it has begun.
  bool round() {
    if (rounds_ < 2 && ++rounds_ == 2) begin();
    return rounds_ == 2;
  }

 private:
  [[gnu::noinline]] void begin() {
    if (::getpid() == os::this_thread_id()) watching_ = signals_.add_by_default(*this, SIGINT);
  }
  // The second one finds the signal as it was.
  void signals_arrived(std::uint64_t) noexcept override {
    static_cast<void>(stop());
    on_interrupt_();
  }

  // Returns whether one has come of which nobody was told.
  bool stop() noexcept { return std::exchange(watching_, false) && signals_.remove_default(*this, SIGINT); }

  loop_signals& signals_;
  Function const on_interrupt_;
  int rounds_ = 0;
  bool watching_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
