// SPDX-License-Identifier: BSL-1.0
//
// Waits for TCP connections.
//
//     tcp_listener listener(endpoint(ip_address::loopback_v4(), 8899));
//     for (;;) {
//       tcp_stream client = co_await listener.async_accept();      // in a thread: listener.accept()
//       group.spawn(answer(std::move(client)));
//     }
//
// `serve` in serve.hpp does that, and what a server needs besides.
#pragma once

#include <concur/core/unique_fd.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/listen_options.hpp>
#include <concur/net/socket.hpp>
#include <concur/net/socket_listener.hpp>
#include <concur/net/tcp_stream.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// See socket_listener.
class tcp_listener : public socket_listener<tcp_stream> {
 public:
  /// Listens nowhere.
  tcp_listener() noexcept = default;
  /// Listens from now on; port 0 lets the system choose one. A port that connections of an earlier server still use is
  /// no obstacle. Throws std::system_error, with the endpoint in its text.
  explicit tcp_listener(endpoint const& at, listen_options const& options = {}) : socket_listener(fresh(at, options)) {
    bind(at);
    listen(at, options.backlog());
  }
  /// Takes over a socket that listens and does not block.
  explicit tcp_listener(unique_fd fd) noexcept : socket_listener(std::move(fd)) {}

 private:
  static unique_fd fresh(endpoint const& at, listen_options const& options) {
    auto made = make_socket(at.family(), SOCK_STREAM);
    socket_options const set(made.get());
    set.set(SOL_SOCKET, SO_REUSEADDR, 1);
    set.set(IPPROTO_TCP, TCP_NODELAY, 1);  // for the connections, which inherit it
    if (options.share_port()) set.set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (at.family() == address_family::ipv6) set.set(IPPROTO_IPV6, IPV6_V6ONLY, options.only_v6() ? 1 : 0);
    return made;
  }
};

}  // namespace concur::inline CONCUR_ABI
