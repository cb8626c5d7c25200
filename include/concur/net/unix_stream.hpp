// SPDX-License-Identifier: BSL-1.0
//
// A connection between processes of one machine. Python's socket of AF_UNIX, asyncio.open_unix_connection.
//
//     auto stream = co_await unix_stream::async_connect(endpoint::unix_path("/run/spider.sock"));
//     co_await stream.async_write("hello\n");
//     auto [here, there] = unix_stream::pair();
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/task.hpp>
#include <concur/net/detail/paced_retry.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/socket.hpp>
#include <concur/net/socket_stream.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <sys/socket.h>
#include <sys/types.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Who is at the other end of a Unix socket, as the system vouches for it: the process that connected, or listened, and
/// on whose behalf it did so at that time.
class peer_credentials {
 public:
  constexpr peer_credentials(pid_t process, uid_t user, gid_t group) noexcept
      : process_(process), user_(user), group_(group) {}

  constexpr pid_t process() const noexcept { return process_; }
  constexpr uid_t user() const noexcept { return user_; }
  constexpr gid_t group() const noexcept { return group_; }

 private:
  pid_t process_;
  uid_t user_;
  gid_t group_;
};

/// Its verbs are those of byte_stream. To connect waits while the backlog of the listener is full; since the system
/// does not tell when there is room again, it is asked from time to time.
class unix_stream : public socket_stream {
 public:
  /// Not connected.
  unix_stream() noexcept = default;
  /// Takes over a connected socket that does not block.
  explicit unix_stream(unique_fd fd) noexcept : socket_stream(std::move(fd), kind::unix_socket) {}

  /// Two that are connected with each other. Throws std::system_error.
  static std::pair<unix_stream, unix_stream> pair() {
    auto [one, other] = make_socket_pair(SOCK_STREAM);
    return {unix_stream(std::move(one)), unix_stream(std::move(other))};
  }

  /// Connects. Throws std::system_error, with the endpoint in its text.
  static unix_stream connect(endpoint const& to) { return *connected_within(to, {}); }
  /// Nothing when a stop was requested first.
  static std::optional<unix_stream> connect(endpoint const& to, os::stop_token const& stop) {
    return connected_within(to, {.stop = &stop});
  }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  static std::optional<unix_stream> try_connect_for(endpoint const& to,
                                                    std::chrono::duration<Rep, Period> const& limit) {
    return connected_within(to, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  static std::optional<unix_stream> try_connect_until(endpoint const& to,
                                                      std::chrono::time_point<Clock, Duration> const& limit) {
    return connected_within(to, limit_at(limit));
  }
  /// A cancel gives the connection up.
  [[nodiscard]] static task<unix_stream> async_connect(endpoint to) {
    unix_stream made(make_socket(address_family::unix_domain, SOCK_STREAM));
    auto const result = co_await detail::async_retry(made.connecting(to));
    check_connected(result, to);
    co_return made;
  }

  /// Throws std::system_error.
  [[nodiscard]] peer_credentials peer() const {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
      throw std::system_error(errno, std::generic_category(), "asking who the peer of a Unix socket is");
    }
    return peer_credentials(who.pid, who.uid, who.gid);
  }

 private:
  static std::optional<unix_stream> connected_within(endpoint const& to, wait_limit const& limit) {
    unix_stream made(make_socket(address_family::unix_domain, SOCK_STREAM));
    auto const result = detail::retry_within(made.connecting(to), limit);
    if (!result) return std::nullopt;
    check_connected(*result, to);
    return made;
  }
};

}  // namespace concur::inline CONCUR_ABI
