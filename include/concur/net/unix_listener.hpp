// SPDX-License-Identifier: BSL-1.0
//
// Waits for connections of processes of this machine.
//
//     unix_listener listener(endpoint::unix_path("/run/spider.sock"), listen_options().replace_stale());
//     co_await serve(listener, [](unix_stream client) -> task<> { … });
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/net/detail/socket_file.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/listen_options.hpp>
#include <concur/net/socket.hpp>
#include <concur/net/socket_listener.hpp>
#include <concur/net/unix_stream.hpp>

#include <sys/socket.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// See socket_listener.
///
/// **Its file.** A path becomes a file when it is bound, and connections to it are refused when nobody listens any
/// more. The listener that made the file removes it when it is destroyed, or closed by the name of this type (`serve`
/// closes it as a socket_listener: then the file stays until the end of this object), unless somebody else has put
/// another file there meanwhile; not in a child process, and not after `release`. A process that crashes leaves its
/// file behind, and the next one is refused (address_in_use), unless its options say `replace_stale`. An abstract name
/// has no file.
class unix_listener : public socket_listener<unix_stream> {
 public:
  /// Listens nowhere.
  unix_listener() noexcept = default;
  /// Listens from now on; at unix_unnamed(), the system chooses an abstract name. Throws std::system_error, with the
  /// endpoint in its text.
  explicit unix_listener(endpoint const& at, listen_options const& options = {})
      : unix_listener(make_socket(address_family::unix_domain, SOCK_STREAM), at, options) {}
  /// Takes over a socket that listens and does not block. Its file is not removed.
  explicit unix_listener(unique_fd fd) noexcept : socket_listener(std::move(fd)) {}

  /// As of descriptor.
  void close() noexcept {
    file_.remove();
    socket_listener::close();
  }
  [[nodiscard]] unique_fd release() noexcept {
    file_.keep();
    return socket_listener::release();
  }

 private:
  unix_listener(unique_fd fd, endpoint const& at, listen_options const& options)
      : socket_listener(std::move(fd)), file_(detail::socket_file::bind(this->fd(), at, options.replace_stale())) {
    listen(at, options.backlog());
  }

  detail::socket_file file_;  // removed before the socket is closed: nobody is refused there
};

}  // namespace concur::inline CONCUR_ABI
