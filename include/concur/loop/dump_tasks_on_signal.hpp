// SPDX-License-Identifier: BSL-1.0
//
// A signal that has the program print what all its tasks wait for, when it hangs: Ctrl-\ at the terminal, or
// `kill -QUIT` from elsewhere. Python's faulthandler.register.
//
//     int main() {
//       concur::dump_tasks_on_signal const on_quit;      // SIGQUIT
//       return concur::run(serve());
//     }
#pragma once

#include <concur/core/os.hpp>
#include <concur/coro/dump_tasks.hpp>
#include <concur/loop/detail/loop_inbox.hpp>
#include <concur/loop/detail/signal_table.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <new>
#include <pthread.h>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>

namespace concur::inline CONCUR_ABI {

/// While it lives, the signal no longer does what it did before, but prints `dump_tasks(500ms)` on standard error:
/// threads, pools, loops, and the tasks of all, with where each waits. A loop whose thread is held by a callback or a
/// task for longer than that is only named, as one that is held.
///
/// A thread of its own does this, so it works whatever the others do. It takes no signals itself. The handler only
/// wakes it. Signals that come while it prints make one more report. In a child process forked meanwhile the signal
/// does what it did before.
///
/// Made and destroyed on any thread. Neither copied nor moved.
class dump_tasks_on_signal {
 public:
  /// Throws misuse when another of these or a `signal_set` has the signal, std::system_error for a signal that does not
  /// exist or cannot be handled, or if no thread can be started, and std::bad_alloc.
  explicit dump_tasks_on_signal(int signal = SIGQUIT);
  /// Gives the signal back. What it was asked to print before has been printed when this returns.
  ~dump_tasks_on_signal();
  dump_tasks_on_signal(dump_tasks_on_signal const&) = delete;
  dump_tasks_on_signal& operator=(dump_tasks_on_signal const&) = delete;

 private:
  static void run(void* self) noexcept;
  void start_thread();
  void print() const noexcept;
  static void print(std::string_view text) noexcept;

  static constexpr auto patience = std::chrono::milliseconds(500);

  int const signal_;
  detail::loop_inbox& inbox_;  // a handler may come late, and inboxes stay
  os::native_thread thread_{};
  pid_t const home_ = ::getpid();
};

inline dump_tasks_on_signal::dump_tasks_on_signal(int signal) : signal_(signal), inbox_(detail::loop_inbox::acquire()) {
  try {
    detail::signal_table::take(signal, inbox_);
    try {
      start_thread();
    } catch (...) {
      detail::signal_table::give_back(signal);
      throw;
    }
  } catch (...) {
    detail::loop_inbox::release(inbox_);
    throw;
  }
}

inline dump_tasks_on_signal::~dump_tasks_on_signal() {
  // In a child the thread does not exist, and the signal has been given back.
  if (home_ != ::getpid()) return;
  detail::signal_table::give_back(signal_);
  inbox_.signal(detail::loop_inbox::request);
  os::join_thread(thread_);
  detail::loop_inbox::release(inbox_);
}

// Without signals: the handlers of the program are for its own threads.
inline void dump_tasks_on_signal::start_thread() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int const error = os::start_thread<&run>(thread_, nullptr, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) throw std::system_error(error, std::generic_category(), "starting the thread that prints tasks");
}

inline void dump_tasks_on_signal::run(void* self) noexcept {
  auto const& mine = *static_cast<dump_tasks_on_signal*>(self);
  os::name_this_thread("dump_tasks");
  for (;;) {
    mine.inbox_.sleep(os::never);
    auto const arrived = mine.inbox_.take_signals();
    if ((arrived & detail::loop_inbox::bit(mine.signal_)) != 0) mine.print();
    if ((arrived & detail::loop_inbox::bit(detail::loop_inbox::request)) != 0) return;
  }
}

inline void dump_tasks_on_signal::print() const noexcept {
  try {
    auto text = "concur: signal " + std::to_string(signal_) + " asks for all tasks\n";
    text += dump_tasks(patience);
    print(text);
  } catch (std::bad_alloc const&) {
    print("concur: there is no memory to list all tasks\n");
  }
}

// Not by stdio: whoever hangs may hold its lock.
inline void dump_tasks_on_signal::print(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(std::size_t(written));
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace concur::inline CONCUR_ABI
