// SPDX-License-Identifier: BSL-1.0
//
// The file of a Unix socket: how it comes into being, and when it is removed.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/socket.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Removes it at its end, if it is still the one that was made, and this is the process that made it.
class socket_file {
 public:
  socket_file() noexcept = default;
  socket_file(socket_file&& other) noexcept
      : path_(std::exchange(other.path_, {})), device_(other.device_), number_(other.number_), maker_(other.maker_) {}
  socket_file& operator=(socket_file&& other) noexcept {
    if (this == &other) return *this;
    remove();
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    number_ = other.number_;
    maker_ = other.maker_;
    return *this;
  }
  ~socket_file() { remove(); }

  /// Gives a socket its name. One that is taken by a file at which nobody listens is freed first, if that is wanted.
  /// Throws std::system_error, and std::bad_alloc before anything has happened.
  static socket_file bind(int fd, endpoint const& at, bool replace_stale) {
    socket_file made;
    bool const has_file = at.is_unix() && !at.is_abstract() && !at.is_unnamed();
    std::string path(has_file ? at.unix_name() : std::string_view());
    int error = try_bind(fd, at);
    if (error == EADDRINUSE && has_file && is_stale(at)) {
      if (!replace_stale) {
        throw std::system_error(error, std::generic_category(),
                                "binding to " + at.to_string() + ", where an earlier server has left its socket");
      }
      ::unlink(path.c_str());
      error = try_bind(fd, at);
    }
    if (error != 0) throw std::system_error(error, std::generic_category(), "binding to " + at.to_string());
    struct stat status{};
    if (!has_file || ::lstat(path.c_str(), &status) != 0) return made;
    made.path_ = std::move(path);
    made.device_ = status.st_dev;
    made.number_ = status.st_ino;
    made.maker_ = ::getpid();
    return made;
  }

  void remove() noexcept {
    if (path_.empty()) return;
    struct stat status{};
    bool const is_ours = maker_ == ::getpid() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
                         status.st_ino == number_;
    if (is_ours) ::unlink(path_.c_str());
    path_.clear();
  }
  void keep() noexcept { path_.clear(); }

 private:
  static int try_bind(int fd, endpoint const& at) noexcept { return ::bind(fd, at.data(), at.size()) == 0 ? 0 : errno; }

  // Whether the file is that of a socket which has gone. One of another kind of socket (EPROTOTYPE) is somebody's.
  static bool is_stale(endpoint const& at) {
    struct stat status{};
    if (::lstat(std::string(at.unix_name()).c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    auto const probe = make_socket(address_family::unix_domain, SOCK_STREAM);
    return ::connect(probe.get(), at.data(), at.size()) != 0 && errno == ECONNREFUSED;
  }

  std::string path_;
  dev_t device_ = 0;
  ino_t number_ = 0;
  pid_t maker_ = 0;
};

}  // namespace concur::inline CONCUR_ABI::detail
