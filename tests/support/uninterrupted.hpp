// SPDX-License-Identifier: BSL-1.0
//
// Calls of the system that wait, in a process that signals come to.
//
//     auto const count = support::uninterrupted([&] { return ::recv(socket, space, sizeof space, 0); });
#pragma once

#include <cerrno>
#include <sys/socket.h>

namespace support {

/// Calls until no signal comes between. Returns what the last call has returned.
template <class Call>
auto uninterrupted(Call call) {
  for (;;) {
    auto const result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// Connects a socket that blocks. Returns whether that was done; if not, errno says why.
inline bool connected_uninterrupted(int socket, sockaddr const* address, socklen_t size) {
  // One that a signal has interrupted goes on without us: asked again, it says that it is under way, or done.
  while (::connect(socket, address, size) != 0) {
    if (errno == EISCONN) break;
    if (errno != EINTR && errno != EALREADY) return false;
  }
  return true;
}

}  // namespace support
