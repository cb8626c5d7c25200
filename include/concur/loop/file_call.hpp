// SPDX-License-Identifier: BSL-1.0
//
// A call of the system on a file, which may take as long as a disk: a plain value, so that it can be carried out on
// another thread, or by io_uring.
//
//     auto const count = perform(file_call::read(fd, buffer, sizeof buffer, file_call::here));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/loop/byte_transfer.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace concur::inline CONCUR_ABI {

/// What it points at must stay until the call has ended.
class file_call : public byte_transfer<file_call> {
 public:
  enum class kind : std::uint8_t { read, write, sync, data_sync, truncate, size };

  static constexpr std::int64_t here = -1;  ///< at the file's own position, which moves
  /// More than that keeps a thread from others for long, also when all of it is in memory.
  static constexpr std::size_t most_at_once = 256 * 1024;

  static file_call read(int fd, void* data, std::size_t size, std::int64_t at) noexcept {
    return {kind::read, fd, data, size, at};
  }
  static file_call write(int fd, void const* data, std::size_t size, std::int64_t at) noexcept {
    return {kind::write, fd, data, size, at};
  }
  static file_call sync(int fd) noexcept { return {kind::sync, fd, nullptr, 0, 0}; }
  static file_call data_sync(int fd) noexcept { return {kind::data_sync, fd, nullptr, 0, 0}; }
  static file_call truncate(int fd, std::int64_t size) noexcept { return {kind::truncate, fd, nullptr, 0, size}; }
  static file_call file_size(int fd) noexcept { return {kind::size, fd, nullptr, 0, 0}; }

  /// What is left of it after so many bytes.
  void advance(std::size_t count) noexcept {
    byte_transfer::advance(count);
    if (at_ != here) at_ += static_cast<std::int64_t>(count);
  }

  kind what() const noexcept { return kind_; }
  int fd() const noexcept { return fd_; }
  std::int64_t at() const noexcept { return at_; }
  bool moves_bytes() const noexcept { return kind_ == kind::read || kind_ == kind::write; }

  /// Once. With RWF_NOWAIT as the flag it fails with EAGAIN where it would have to wait for a disk, and with EOPNOTSUPP
  /// where the file system cannot tell.
  std::int64_t once(int flags = 0) const noexcept {
    iovec piece{data(), size()};
    std::int64_t result = 0;
    switch (kind_) {
      case kind::read:
        result = flags == 0 && at_ == here ? ::read(fd_, data(), size()) : ::preadv2(fd_, &piece, 1, at_, flags);
        break;
      case kind::write:
        result = flags == 0 && at_ == here ? ::write(fd_, data(), size()) : ::pwritev2(fd_, &piece, 1, at_, flags);
        break;
      case kind::sync: result = ::fsync(fd_); break;
      case kind::data_sync: result = ::fdatasync(fd_); break;
      case kind::truncate: result = ::ftruncate(fd_, at_); break;
      case kind::size: {
        struct stat about{};
        result = ::fstat(fd_, &about);
        if (result == 0) result = about.st_size;
        break;
      }
    }
    return result < 0 ? -errno : result;
  }

 private:
  file_call(kind what, int fd, void const* data, std::size_t size, std::int64_t at) noexcept
      : byte_transfer(data, size), kind_(what), fd_(fd), at_(at) {}

  kind kind_;
  int fd_;
  std::int64_t at_;
};

/// Makes the call as often as it takes, blocking the thread. Returns how many bytes were moved, what else the system
/// returned, or minus an error number; of a call that moved a part before an error, that error.
inline std::int64_t perform(file_call call) noexcept {
  std::int64_t moved = 0;
  for (;;) {
    auto const result = call.once();
    if (result == -EINTR) continue;
    if (!call.moves_bytes() || result <= 0) return result < 0 ? result : result + moved;
    moved += result;
    call.advance(static_cast<std::size_t>(result));
    if (!call.wants_all() || call.size() == 0) return moved;
  }
}

}  // namespace concur::inline CONCUR_ABI
