// SPDX-License-Identifier: BSL-1.0
//
// What all sockets have: how they are made, their endpoints, their options.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/net/endpoint.hpp>

#include <cerrno>
#include <cstddef>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Makes a socket of that family that does not block, and is closed in programs that are executed. `type` is
/// SOCK_STREAM, SOCK_DGRAM … Throws std::system_error.
inline unique_fd make_socket(address_family family, int type) {
  unique_fd made(::socket(static_cast<int>(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made) throw std::system_error(errno, std::generic_category(), "making a socket");
  return made;
}

/// Two Unix sockets that are connected with each other, of the same kind. Throws std::system_error.
inline std::pair<unique_fd, unique_fd> make_socket_pair(int type) {
  int ends[2] = {};
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "making a pair of sockets");
  }
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

/// The options of one socket by name, for those that streams and listeners have no verb for:
///     socket_options(stream.fd()).set(SOL_SOCKET, SO_RCVBUF, 1 << 20);
class socket_options {
 public:
  explicit socket_options(int fd) noexcept : fd_(fd) {}

  /// Throw std::system_error.
  template <class Value>
  void set(int level, int name, Value const& value) const {
    if (::setsockopt(fd_, level, name, &value, sizeof value) != 0) fail("setting an option of a socket");
  }
  [[nodiscard]] int get(int level, int name) const {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd_, level, name, &value, &size) != 0) fail("reading an option of a socket");
    return value;
  }

  /// Where it is, and where its peer is; nowhere if it has none yet. Throw std::system_error.
  [[nodiscard]] endpoint local_endpoint() const { return where(::getsockname, "asking where a socket is"); }
  [[nodiscard]] endpoint remote_endpoint() const {
    return where(::getpeername, "asking where the peer of a socket is");
  }

 private:
  template <class Ask>
  endpoint where(Ask ask, char const* what) const {
    sockaddr_storage space{};
    socklen_t size = sizeof space;
    auto* const address = reinterpret_cast<sockaddr*>(&space);
    if (ask(fd_, address, &size) != 0) fail(what);
    return endpoint::from_sockaddr(address, size);
  }
  [[noreturn]] static void fail(char const* what) { throw std::system_error(errno, std::generic_category(), what); }

  int fd_;
};

}  // namespace concur::inline CONCUR_ABI
