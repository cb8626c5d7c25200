// SPDX-License-Identifier: BSL-1.0
//
// Messages between processes of one machine, which are neither lost nor reordered.
//
//     unix_datagram server(endpoint::unix_path("/run/spider.sock"), bind_options().replace_stale());
//     auto client = unix_datagram::connected(endpoint::unix_path("/run/spider.sock"));
//     co_await client.async_send("hello");
//     auto [here, there] = unix_datagram::pair();
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/net/bind_options.hpp>
#include <concur/net/datagram_socket.hpp>
#include <concur/net/detail/socket_file.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/socket.hpp>

#include <sys/socket.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Its verbs are those of datagram_socket. A receiver with a full queue makes senders wait; a sender that is not
/// connected to it asks from time to time, since the system does not tell when there is room again.
///
/// Its file comes and goes as that of unix_listener.
class unix_datagram : public datagram_socket {
 public:
  /// Not open.
  unix_datagram() noexcept = default;
  /// Receives under a name from now on; at unix_unnamed(), the system chooses an abstract one. Throws
  /// std::system_error, with the endpoint in its text.
  explicit unix_datagram(endpoint const& at, bind_options const& how = {})
      : unix_datagram(make_socket(address_family::unix_domain, SOCK_DGRAM)) {
    file_ = detail::socket_file::bind(fd(), at, how.replace_stale());
  }
  /// Takes over a socket that does not block. Its file is not removed.
  explicit unix_datagram(unique_fd fd) noexcept : datagram_socket(std::move(fd), peer::hidden) {}

  /// One without a name, to which nobody can answer. Throws std::system_error.
  static unix_datagram connected(endpoint const& to) {
    unix_datagram made(make_socket(address_family::unix_domain, SOCK_DGRAM));
    made.connect(to);
    return made;
  }

  /// Two that are connected with each other. Throws std::system_error.
  static std::pair<unix_datagram, unix_datagram> pair() {
    auto [one, other] = make_socket_pair(SOCK_DGRAM);
    return {unix_datagram(std::move(one)), unix_datagram(std::move(other))};
  }

  /// As of descriptor.
  void close() noexcept {
    file_.remove();
    datagram_socket::close();
  }
  [[nodiscard]] unique_fd release() noexcept {
    file_.keep();
    return datagram_socket::release();
  }

 private:
  detail::socket_file file_;
};

}  // namespace concur::inline CONCUR_ABI
