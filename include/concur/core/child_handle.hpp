// SPDX-License-Identifier: BSL-1.0
//
// Owns a child process: a descriptor stands for it, never its number, which belongs to a stranger once it was reaped.
//
//     child_handle child(pid);                    // that fork or posix_spawn gave
//     child.send_signal(SIGTERM);
//     poll(child.fd(), POLLIN);                   // readable when it has ended
//     exit_status const how = child.reap();
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/exit_status.hpp>
#include <concur/core/unique_fd.hpp>

#include <cerrno>
#include <csignal>
#include <optional>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A child, or none. Moves, does not copy. One thread at a time. The program must not reap it by other means, as
/// `wait` for any child does, or have children reaped by nobody (SIGCHLD ignored): then how it ended is lost, which is
/// the error ECHILD of whoever asks.
///
/// The destructor kills a child that was not reaped, and reaps it: nothing is left behind. In a process that was forked
/// from the child's parent it does nothing.
class child_handle {
 public:
  child_handle() noexcept = default;
  /// Takes over a child that was not reaped. Throws std::system_error where it can have no descriptor; then it was
  /// killed and reaped.
  explicit child_handle(pid_t child);
  child_handle(child_handle&& other) noexcept { take_from(other); }
  child_handle& operator=(child_handle&& other) noexcept {
    if (this != &other) {
      kill_and_reap();
      take_from(other);
    }
    return *this;
  }
  ~child_handle() { kill_and_reap(); }

  /// Whether there is a child that was not reaped.
  explicit operator bool() const noexcept { return pid_ != 0 && !ended_; }
  /// Its number, for people to read; 0 when there is none.
  pid_t pid() const noexcept { return pid_; }
  /// Stays until this is destroyed.
  int fd() const noexcept { return fd_.get(); }

  /// Returns false when it was reaped: then nobody gets the signal. Throws std::system_error.
  bool send_signal(int number);

  /// How it ended, once it has; the first time that reaps it. Throws std::system_error.
  std::optional<exit_status> try_reap() { return reap_with(WNOHANG); }
  /// The same, waiting for it.
  exit_status reap() { return *reap_with(0); }
  /// Kills it, if it was not reaped, and reaps it.
  void kill_and_reap() noexcept;

 private:
  // P_PIDFD, which glibc has since 2.36.
  static constexpr auto by_descriptor = static_cast<idtype_t>(3);

  void take_from(child_handle& other) noexcept {
    fd_ = std::move(other.fd_);
    pid_ = std::exchange(other.pid_, 0);
    ended_ = std::exchange(other.ended_, false);
    status_ = std::exchange(other.status_, std::nullopt);
    parent_ = other.parent_;
  }
  static exit_status status_of(siginfo_t const& how) noexcept {
    return how.si_code == CLD_EXITED ? exit_status::of_exit(how.si_status) : exit_status::of_signal(how.si_status);
  }
  std::optional<exit_status> reap_with(int flags);

  unique_fd fd_;
  pid_t pid_ = 0;
  bool ended_ = false;  // reaped, by us or by somebody else
  std::optional<exit_status> status_;
  pid_t parent_ = 0;
};

inline child_handle::child_handle(pid_t child)
    : fd_(static_cast<int>(::syscall(SYS_pidfd_open, child, 0))), pid_(child), parent_(::getpid()) {
  if (fd_) return;
  int const error = errno;
  // By its number, which is its own as long as it was not reaped.
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  throw std::system_error(error, std::generic_category(), "a descriptor of a child process");
}

inline bool child_handle::send_signal(int number) {
  if (!*this) return false;
  if (::syscall(SYS_pidfd_send_signal, fd(), number, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw std::system_error(errno, std::generic_category(), "a signal to a child process");
}

inline std::optional<exit_status> child_handle::reap_with(int flags) {
  if (status_) return status_;
  siginfo_t how{};
  int error = ended_ || !fd_ ? ECHILD : EINTR;
  while (error == EINTR) {
    error = ::waitid(by_descriptor, static_cast<id_t>(fd()), &how, WEXITED | flags) == 0 ? 0 : errno;
  }
  if (error != 0) {
    ended_ = ended_ || error == ECHILD;
    throw std::system_error(error, std::generic_category(), "how a child process ended");
  }
  if (how.si_pid == 0) return std::nullopt;
  ended_ = true;
  status_ = status_of(how);
  return status_;
}

inline void child_handle::kill_and_reap() noexcept {
  if (!*this || parent_ != ::getpid()) return;
  ::syscall(SYS_pidfd_send_signal, fd(), SIGKILL, nullptr, 0);
  siginfo_t how{};
  int error = EINTR;
  while (error == EINTR) error = ::waitid(by_descriptor, static_cast<id_t>(fd()), &how, WEXITED) == 0 ? 0 : errno;
  ended_ = true;
  if (error == 0) status_ = status_of(how);
}

}  // namespace concur::inline CONCUR_ABI
