// SPDX-License-Identifier: BSL-1.0
//
// How a file is to be opened.
//
//     concur::file log("server.log", concur::open_options().append().create());
#pragma once

#include <concur/core/abi.hpp>

#include <fcntl.h>
#include <sys/types.h>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls. For reading if nothing is said.
class open_options {
 public:
  open_options() noexcept = default;

  /// Python's "w": what was there is gone; made if it is not there.
  static open_options for_writing() noexcept { return open_options().write().create().truncate(); }
  /// Python's "a".
  static open_options for_appending() noexcept { return open_options().append().create(); }

  open_options& read() noexcept { return with(reads); }
  open_options& write() noexcept { return with(writes); }
  /// For writing, each time at the end, whoever else writes.
  open_options& append() noexcept { return with(writes, O_APPEND); }
  /// Makes it if it is not there.
  open_options& create() noexcept { return with(0, O_CREAT); }
  /// Makes it, and fails (file_exists) if it is there.
  open_options& create_new() noexcept { return with(0, O_CREAT | O_EXCL); }
  /// What was there is gone. For writing.
  open_options& truncate() noexcept { return with(0, O_TRUNC); }
  /// Of a file that is made, less the umask of the process. If not given: read and write for all (0666).
  open_options& permissions(mode_t value) noexcept {
    permissions_ = value;
    return *this;
  }

  /// For open(2). The file is closed in programs that are executed.
  int flags() const noexcept {
    return flags_ | O_CLOEXEC | (access_ == (reads | writes) ? O_RDWR : access_ == writes ? O_WRONLY : O_RDONLY);
  }
  mode_t permissions() const noexcept { return permissions_; }

 private:
  static constexpr unsigned reads = 1;
  static constexpr unsigned writes = 2;

  open_options& with(unsigned access, int flags = 0) noexcept {
    access_ |= access;
    flags_ |= flags;
    return *this;
  }

  unsigned access_ = 0;
  int flags_ = 0;
  mode_t permissions_ = 0666;
};

}  // namespace concur::inline CONCUR_ABI
