// SPDX-License-Identifier: BSL-1.0
//
// A file that is there when all of it is: written under another name beside it, and renamed at the end.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Its errors are std::system_error with the path in their text.
class download_file {
 public:
  explicit download_file(std::string path) : path_(std::move(path)) {
    do {
      // relaxed: only to be different each time.
      auto const number = files.fetch_add(1, std::memory_order_relaxed);
      part_ = path_ + '.' + std::to_string(::getpid()) + '-' + std::to_string(number) + ".part";
      fd_.reset(::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    } while (!fd_ && errno == EEXIST);
    if (!fd_) fail("creating ");
  }
  download_file(download_file const&) = delete;
  download_file& operator=(download_file const&) = delete;
  ~download_file() {
    if (fd_) ::unlink(part_.c_str());
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      auto const count = ::write(fd_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR) fail("writing ");
      if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  /// From now on it is there, in place of the one that there was.
  void keep() {
    if (::rename(part_.c_str(), path_.c_str()) != 0) fail("creating ");
    fd_.reset();
  }

 private:
  [[noreturn]] void fail(char const* what) const {
    int const error = errno;
    throw std::system_error(error, std::generic_category(), what + path_);
  }

  static inline os::machine_atomic<unsigned> files{0};

  std::string const path_;
  std::string part_;
  unique_fd fd_;
};

}  // namespace concur::inline CONCUR_ABI::detail
