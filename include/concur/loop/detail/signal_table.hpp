// SPDX-License-Identifier: BSL-1.0
//
// From a signal handler to an event loop: which loop has which signal. The handler only sets a bit in the loop's inbox
// and wakes it; inboxes are never freed, so a handler may be late, and then the bit means nothing to the next owner.
//
// A loop may also have a signal by default: once, and only as long as no loop takes it. A child process has the
// handlers that its parent had before.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/process_lock.hpp>
#include <concur/loop/detail/loop_inbox.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

/// One signal.
struct signal_entry {
  // Read by the handler. acquire and release: the inbox was made before.
  os::machine_atomic<loop_inbox*> inbox{nullptr};
  int uses = 0;
  loop_inbox* by_default = nullptr;
  struct sigaction before{};
};

/// Of the whole process. All members but the handler: any thread, under the lock.
class [[gnu::visibility("default")]] signal_table {
 public:
  /// Takes the signal over for the owner of that inbox, once more if it has it already. Throws misuse when another one
  /// has it, and std::system_error for a signal that does not exist or cannot be handled.
  static void take(int signal, loop_inbox& inbox);

  /// Undoes one `take`; the last one gives the signal back to whoever had it before.
  static void give_back(int signal) noexcept;

  /// Takes it over by default, for one time, if nobody handles it: the next one does what it did before. Returns
  /// whether it did.
  static bool take_by_default(int signal, loop_inbox& inbox);
  /// Undoes that.
  static void give_back_default(int signal) noexcept;

  static void require_exists(int signal) {
    if (signal < 1 || signal > loop_inbox::last_signal) {
      throw std::system_error(EINVAL, std::generic_category(), "a signal that does not exist");
    }
  }

 private:
  static signal_entry& of(int signal) noexcept { return entries[std::size_t(signal - 1)]; }
  static void install(int signal, loop_inbox& inbox, bool once);
  static void restore(int signal) noexcept;
  static void forget_in_child() noexcept;
  static void handle(int signal) noexcept;

  static inline constinit process_wide::process_lock lock;
  static inline constinit std::array<signal_entry, loop_inbox::last_signal> entries{};
};

inline void signal_table::take(int signal, loop_inbox& inbox) {
  require_exists(signal);
  process_wide::keep_over_fork<lock>(&forget_in_child);
  process_wide::process_lock::guard const held(lock);
  signal_entry& mine = of(signal);
  if (mine.uses > 0 && mine.inbox.load(std::memory_order_relaxed) != &inbox) {
    throw misuse("a signal was asked for in two places at the same time, which do not belong to one event loop");
  }
  if (mine.uses == 0) install(signal, inbox, false);
  ++mine.uses;
}

inline void signal_table::give_back(int signal) noexcept {
  process_wide::process_lock::guard const held(lock);
  signal_entry& mine = of(signal);
  if (--mine.uses > 0) return;
  if (mine.by_default != nullptr) {
    install(signal, *mine.by_default, true);  // as it could before
  } else {
    restore(signal);
  }
}

inline bool signal_table::take_by_default(int signal, loop_inbox& inbox) {
  process_wide::keep_over_fork<lock>(&forget_in_child);
  process_wide::process_lock::guard const held(lock);
  signal_entry& mine = of(signal);
  struct sigaction now{};
  if (mine.uses > 0 || mine.by_default != nullptr || ::sigaction(signal, nullptr, &now) != 0) return false;
  if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return false;
  install(signal, inbox, true);
  mine.by_default = &inbox;
  return true;
}

inline void signal_table::give_back_default(int signal) noexcept {
  process_wide::process_lock::guard const held(lock);
  signal_entry& mine = of(signal);
  mine.by_default = nullptr;
  if (mine.uses == 0) restore(signal);
}

inline void signal_table::install(int signal, loop_inbox& inbox, bool once) {
  signal_entry& mine = of(signal);
  loop_inbox* const other = mine.inbox.exchange(&inbox, std::memory_order_release);
  struct sigaction action{}, found{};
  action.sa_handler = &handle;
  action.sa_flags = SA_RESTART | (once ? int(SA_RESETHAND) : 0);  // whoever is interrupted by it need not know
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, &found) != 0) {
    mine.inbox.store(other, std::memory_order_relaxed);
    throw std::system_error(errno, std::generic_category(), "sigaction");
  }
  if (other == nullptr) mine.before = found;
}

inline void signal_table::restore(int signal) noexcept {
  signal_entry& mine = of(signal);
  ::sigaction(signal, &mine.before, nullptr);
  mine.inbox.store(nullptr, std::memory_order_relaxed);
}

inline void signal_table::forget_in_child() noexcept {
  for (int signal = 1; signal <= loop_inbox::last_signal; ++signal) {
    signal_entry& mine = of(signal);
    if (mine.inbox.load(std::memory_order_relaxed) == nullptr) continue;
    mine.uses = 0;
    mine.by_default = nullptr;
    restore(signal);
  }
}

inline void signal_table::handle(int signal) noexcept {
  if (loop_inbox* const inbox = of(signal).inbox.load(std::memory_order_acquire)) inbox->signal(signal);
}

}  // namespace concur::inline CONCUR_ABI::detail
