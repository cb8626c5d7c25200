// SPDX-License-Identifier: BSL-1.0
//
// Who is told of signals by a loop.
#pragma once

#include <concur/core/intrusive_list.hpp>
#include <concur/core/registry.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/detail/signal_table.hpp>

#include <cstdint>

namespace concur::inline CONCUR_ABI::detail {

/// Is told of some signals, on the loop's thread.
class signal_receiver : public intrusive_list_node<> {
 public:
  /// Signal n is bit n - 1.
  virtual void signals_arrived(std::uint64_t which) noexcept = 0;

  std::uint64_t wanted() const noexcept { return wanted_; }

 protected:
  ~signal_receiver() = default;

 private:
  friend class loop_signals;
  // Whether its signals are those of this process; in a child they are given back already.
  bool at_home() const noexcept { return forks_ == process_wide::forks.load(std::memory_order_relaxed); }

  std::uint64_t wanted_ = 0;
  unsigned const forks_ = process_wide::forks.load(std::memory_order_relaxed);
};

/// The receivers of one loop, on its thread.
class loop_signals {
 public:
  explicit loop_signals(loop_inbox& inbox) noexcept : inbox_(inbox) {}

  /// Has it told of this signal from now on. Throws as signal_table::take does.
  void add(signal_receiver& receiver, int signal) {
    signal_table::take(signal, inbox_);
    enter(receiver, signal);
  }
  /// Nothing any more.
  static void remove(signal_receiver& receiver) noexcept {
    for (int signal = 1; signal <= loop_inbox::last_signal && receiver.at_home(); ++signal) {
      if ((receiver.wanted_ & bit(signal)) != 0) signal_table::give_back(signal);
    }
    receiver.wanted_ = 0;
    receiver.unlink();
  }

  /// Has the receiver told of this signal, for one time and as long as nobody else wants it, if nobody handles it.
  /// Returns whether it did. One receiver at a time.
  bool add_by_default(signal_receiver& receiver, int signal) {
    if (!signal_table::take_by_default(signal, inbox_)) return false;
    receiver.wanted_ = bit(signal);
    by_default_ = &receiver;
    return true;
  }
  /// Returns whether it came, after the last `deliver`, and nobody else here wants it.
  // Not so if the handler is on its way on another thread: then it comes too late for anybody.
  bool remove_default(signal_receiver& receiver, int signal) noexcept {
    bool const mine = receiver.at_home();
    if (mine) signal_table::give_back_default(signal);
    receiver.wanted_ = 0;
    by_default_ = nullptr;
    return mine && !wanted(signal) && inbox_.take_signal(signal);
  }

  /// Tells them what has come, and returns it.
  std::uint64_t deliver() noexcept {
    auto const arrived = inbox_.take_signals();
    auto left = arrived;
    for (signal_receiver& each : receivers_) {
      if ((each.wanted_ & arrived) != 0) each.signals_arrived(each.wanted_ & arrived);
      left &= ~each.wanted_;
    }
    if (by_default_ != nullptr && (by_default_->wanted_ & left) != 0) by_default_->signals_arrived(left);
    return arrived;
  }

  static constexpr std::uint64_t bit(int signal) noexcept { return loop_inbox::bit(signal); }

 private:
  bool wanted(int signal) noexcept {
    for (signal_receiver const& each : receivers_) {
      if ((each.wanted_ & bit(signal)) != 0) return true;
    }
    return false;
  }
  void enter(signal_receiver& receiver, int signal) noexcept {
    if ((receiver.wanted_ & bit(signal)) != 0) signal_table::give_back(signal);  // it had it already
    receiver.wanted_ |= bit(signal);
    if (!receiver.is_linked()) receivers_.push_back(receiver);
  }

  loop_inbox& inbox_;
  intrusive_list<signal_receiver> receivers_;
  signal_receiver* by_default_ = nullptr;
};

}  // namespace concur::inline CONCUR_ABI::detail
