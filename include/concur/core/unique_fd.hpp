// SPDX-License-Identifier: BSL-1.0
//
// Owns one file descriptor and closes it exactly once.
//
//     unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
//     if (!file) throw std::system_error(errno, std::generic_category(), path);
//     ::read(file.get(), …);
#pragma once

#include <concur/core/abi.hpp>

#include <cerrno>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A file descriptor, or none. Moves, does not copy. One thread at a time, as an int would be. An interrupted close is
/// never repeated: Linux has let go of the number by then, and it may already belong to another thread's file.
class unique_fd {
 public:
  /// What stands for "none".
  static constexpr int none = -1;

  constexpr unique_fd() noexcept = default;

  /// Takes over `fd`; any negative number is none, so the answer of a system call can be given as it is.
  constexpr explicit unique_fd(int fd) noexcept : fd_(fd < 0 ? none : fd) {}

  constexpr unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  constexpr unique_fd& operator=(unique_fd&& other) noexcept;
  constexpr ~unique_fd() { reset(); }

  /// The descriptor, still owned; -1 when there is none.
  constexpr int get() const noexcept { return fd_; }

  /// Whether there is one.
  constexpr explicit operator bool() const noexcept { return fd_ != none; }

  /// Gives the descriptor away without closing it.
  [[nodiscard]] constexpr int release() noexcept { return std::exchange(fd_, none); }

  /// Closes what it holds and takes over `fd`. Errors of closing are ignored; errno is kept.
  constexpr void reset(int fd = none) noexcept;

  /// Closes what it holds and throws std::system_error if that failed, which for a file may mean that data did not
  /// reach the disk. Holds none afterwards, in either case. Does nothing when there is none. An interrupted close
  /// is no failure.
  void close();

 private:
  int fd_ = none;
};

constexpr unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
  // Also right for self-assignment: the descriptor is taken out before reset() looks.
  reset(other.release());
  return *this;
}

constexpr void unique_fd::reset(int fd) noexcept {
  int const old = std::exchange(fd_, fd < 0 ? none : fd);
  if (old == none) return;
  int const saved = errno;
  ::close(old);
  errno = saved;
}

inline void unique_fd::close() {
  int const old = release();
  if (old == none) return;
  if (::close(old) != 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "close");
}

}  // namespace concur::inline CONCUR_ABI
