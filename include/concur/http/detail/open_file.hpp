// SPDX-License-Identifier: BSL-1.0
//
// A file that is given out as an answer.
#pragma once

#include <concur/core/unique_fd.hpp>
#include <concur/http/detail/http_date.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// As it was when it was opened. Any thread.
class open_file {
 public:
  /// None if there is no such file, or none that may be read. Blocks; throws std::system_error and std::bad_alloc.
  static std::shared_ptr<open_file const> find(std::string name) {
    auto made = std::make_shared<open_file>(std::move(name));
    if (!made->open()) return nullptr;
    return made;
  }
  explicit open_file(std::string name) : name_(std::move(name)) {}

  std::string const& name() const noexcept { return name_; }
  std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(facts_.st_size); }
  std::time_t modified() const noexcept { return facts_.st_mtim.tv_sec; }
  /// Other bytes, another tag; for what is written within one tick of the file system's clock by its size only.
  std::string tag() const {
    char text[64];
    auto const count =
        std::snprintf(text, sizeof text, "\"%llx-%lx-%llx\"", static_cast<unsigned long long>(facts_.st_mtim.tv_sec),
                      facts_.st_mtim.tv_nsec, static_cast<unsigned long long>(facts_.st_size));
    return std::string(text, static_cast<std::size_t>(count));
  }

  /// At most so many bytes from there, and at least one. Blocks. Throws std::system_error, also if the file is shorter
  /// now.
  std::string read(std::uint64_t offset, std::size_t most) const {
    std::string data(static_cast<std::size_t>(std::min<std::uint64_t>(most, size() - offset)), '\0');
    ssize_t count = 0;
    do {
      count = ::pread(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw std::system_error(errno, std::generic_category(), "reading " + name_);
    if (count == 0) throw std::system_error(EIO, std::generic_category(), name_ + " has become shorter");
    data.resize(static_cast<std::size_t>(count));
    return data;
  }

 private:
  bool open() {
    // Not to wait for the other end of a pipe.
    fd_ = unique_fd(::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd_) {
      bool const is_missing = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP ||
                              errno == ENAMETOOLONG || errno == ENXIO || errno == EPERM;
      if (is_missing) return false;
      throw std::system_error(errno, std::generic_category(), "opening " + name_);
    }
    if (::fstat(fd_.get(), &facts_) != 0) throw std::system_error(errno, std::generic_category(), name_);
    if (S_ISDIR(facts_.st_mode)) {
      if (name_.ends_with("/index.html")) return false;
      name_ += name_.ends_with('/') ? "index.html" : "/index.html";
      return open();
    }
    return S_ISREG(facts_.st_mode) && !name_.ends_with('/');
  }

  std::string name_;
  unique_fd fd_;
  struct stat facts_{};
};

}  // namespace concur::inline CONCUR_ABI::detail
