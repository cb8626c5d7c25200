// SPDX-License-Identifier: BSL-1.0
//
// Reads and writes that need not wait, of a descriptor that others share and that therefore may block.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/io/buffer.hpp>
#include <concur/loop/io_call.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace concur::inline CONCUR_ABI::detail {

/// To be used when the descriptor is said to be ready. Owns nothing.
class shared_descriptor {
 public:
  explicit shared_descriptor(int fd) noexcept : fd_(fd), kind_(kind_of(fd)) {}

  int fd() const noexcept { return fd_; }
  /// Whether it is of the kind that is always ready, and takes its time.
  bool is_file() const noexcept { return kind_ == kind::file; }

  /// Return a count, or minus an error number: EAGAIN if it is not ready after all, where the system can say so.
  std::int64_t read(mutable_buffer into) const noexcept {
    if (into.empty() && fd_ >= 0) return 0;
    if (kind_ == kind::socket) return perform(io_call::receive(fd_, into.data(), into.size(), MSG_DONTWAIT));
    if (kind_ == kind::other) {
      iovec piece{into.data(), into.size()};
      if (auto const count = ::preadv2(fd_, &piece, 1, -1, RWF_NOWAIT); count >= 0) return count;
      if (errno == EAGAIN || errno == EINTR) return -EAGAIN;
      // Not known of this kind, or by this kernel: what follows says what is wrong, if anything is.
    }
    return perform(io_call::read(fd_, into.data(), into.size()));
  }
  std::int64_t write(const_buffer from) const noexcept {
    if (from.empty() && fd_ >= 0) return 0;
    if (kind_ == kind::socket) return perform(io_call::send(fd_, from.data(), from.size(), MSG_DONTWAIT));
    // So much goes into a pipe that has any room, without a wait.
    auto const most = kind_ == kind::file ? from.size() : std::min<std::size_t>(from.size(), PIPE_BUF);
    return perform(io_call::write(fd_, from.data(), most));
  }

 private:
  enum class kind : unsigned char { file, socket, other };

  static kind kind_of(int fd) noexcept {
    struct stat about{};
    if (::fstat(fd, &about) != 0) return kind::other;  // the first verb says what is wrong
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode)) return kind::file;
    return S_ISSOCK(about.st_mode) ? kind::socket : kind::other;
  }

  int fd_;
  kind kind_;
};

}  // namespace concur::inline CONCUR_ABI::detail
