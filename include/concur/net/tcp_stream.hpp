// SPDX-License-Identifier: BSL-1.0
//
// A TCP connection. Python's socket, and the pair of StreamReader and StreamWriter.
//
//     auto stream = co_await tcp_stream::async_connect(endpoint::parse("127.0.0.1:8899"));
//     co_await stream.async_write("hello\n");
//     auto const count = co_await stream.async_read_some(space);
//
//     auto stream = tcp_stream::connect(endpoint::parse("127.0.0.1:8899"));     // the same in a thread
//
//     auto stream = co_await tcp_stream::async_connect("example.org", "https");     // the first address that answers
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/net/connect_options.hpp>
#include <concur/net/detail/connection_order.hpp>
#include <concur/net/detail/first_to_connect.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/resolve_query.hpp>
#include <concur/net/resolver.hpp>
#include <concur/net/socket.hpp>
#include <concur/net/socket_stream.hpp>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Its verbs are those of byte_stream. Small writes are sent at once (no delay), unless `set_no_delay(false)` says that
/// they should be gathered.
class tcp_stream : public socket_stream {
 public:
  /// Not connected.
  tcp_stream() noexcept = default;
  /// Takes over a connected socket that does not block.
  explicit tcp_stream(unique_fd fd) noexcept : socket_stream(std::move(fd)) {}

  /// Connects. Throws std::system_error, with the endpoint in its text.
  static tcp_stream connect(endpoint const& to) { return *connected_within(to, {}); }
  /// Nothing when a stop was requested first.
  static std::optional<tcp_stream> connect(endpoint const& to, os::stop_token const& stop) {
    return connected_within(to, {.stop = &stop});
  }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  static std::optional<tcp_stream> try_connect_for(endpoint const& to,
                                                   std::chrono::duration<Rep, Period> const& limit) {
    return connected_within(to, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  static std::optional<tcp_stream> try_connect_until(endpoint const& to,
                                                     std::chrono::time_point<Clock, Duration> const& limit) {
    return connected_within(to, limit_at(limit));
  }
  /// The endpoint must stay until the await has ended. A cancel gives the connection up.
  [[nodiscard]] static awaitable<tcp_stream> auto async_connect(endpoint const& to) {
    return async_connect_to(fresh(to), to);
  }

  /// Connects to a host by its name, or its address in text. All its addresses are asked for; then one after the other
  /// is tried, in turns of IPv6 and IPv4, the next one when an attempt has failed or has not succeeded within 250 ms,
  /// and the first one that is connected counts (RFC 8305). The options say more.
  ///
  /// Throws what the resolver throws; and when all attempts have failed std::system_error, whose text tells of each and
  /// whose code is that of the last. In every case nothing is left of the other attempts.
  static tcp_stream connect(std::string host, service_name service, connect_options const& options = {}) {
    auto const found = options.resolver().resolve(std::move(host), std::move(service), options.resolve());
    return *first_within(found, options, {});
  }
  /// Nothing when a stop was requested first.
  static std::optional<tcp_stream> connect(std::string host, service_name service, os::stop_token const& stop,
                                           connect_options const& options = {}) {
    auto const found = options.resolver().resolve(std::move(host), std::move(service), stop, options.resolve());
    return found ? first_within(*found, options, {.stop = &stop}) : std::nullopt;
  }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  static std::optional<tcp_stream> try_connect_for(std::string host, service_name service,
                                                   std::chrono::duration<Rep, Period> const& limit,
                                                   connect_options const& options = {}) {
    return try_connect_until(std::move(host), std::move(service), deadline_after(limit), options);
  }
  template <class Clock, class Duration>
  static std::optional<tcp_stream> try_connect_until(std::string host, service_name service,
                                                     std::chrono::time_point<Clock, Duration> const& limit,
                                                     connect_options const& options = {}) {
    auto const found =
        options.resolver().try_resolve_until(std::move(host), std::move(service), limit, options.resolve());
    return found ? first_within(*found, options, limit_at(limit)) : std::nullopt;
  }
  /// A cancel gives all attempts up, and a lookup that is under way as the resolver does.
  [[nodiscard]] static task<tcp_stream> async_connect(std::string host, service_name service,
                                                      connect_options options = connect_options());

  void set_no_delay(bool on) { options().set(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); }
  [[nodiscard]] bool no_delay() const { return options().get(IPPROTO_TCP, TCP_NODELAY) != 0; }

  /// Asks the peer from time to time whether it is still there: after so long without a word, then in such intervals,
  /// so often; both rounded up to seconds, of which there is at least one. Without an answer the connection is broken
  /// (timed_out).
  template <class Rep, class Period, class Rep2, class Period2>
  void set_keep_alive(std::chrono::duration<Rep, Period> const& idle,
                      std::chrono::duration<Rep2, Period2> const& interval, int probes) {
    options().set(IPPROTO_TCP, TCP_KEEPIDLE, seconds(saturated(idle)));
    options().set(IPPROTO_TCP, TCP_KEEPINTVL, seconds(saturated(interval)));
    options().set(IPPROTO_TCP, TCP_KEEPCNT, probes);
    options().set(SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  void set_keep_alive(bool on) { options().set(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0); }

  /// Closes it so that the next read of the peer fails (connection_reset), where after `close` it finds the end of the
  /// stream. What has not gone out is lost. For what breaks off where only the end would tell that it is complete.
  void abort() noexcept {
    linger const no_longer{.l_onoff = 1, .l_linger = 0};
    static_cast<void>(::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &no_longer, sizeof no_longer));
    close();
  }

 private:
  static tcp_stream fresh(endpoint const& to) {
    tcp_stream made(make_socket(to.family(), SOCK_STREAM));
    if (to.is_ip()) made.set_no_delay(true);
    return made;
  }
  static std::optional<tcp_stream> connected_within(endpoint const& to, wait_limit const& limit) {
    std::optional<tcp_stream> made = fresh(to);
    if (!made->connect_within(to, limit)) made.reset();
    return made;
  }
  class attempt;
  static std::optional<tcp_stream> first_within(resolve_results const& found, connect_options const& options,
                                                wait_limit const& limit);

  // The longest that the system takes.
  static int seconds(std::chrono::nanoseconds length) {
    using std::chrono::ceil;
    return static_cast<int>(std::clamp<std::int64_t>(ceil<std::chrono::seconds>(length).count(), 1, SHRT_MAX));
  }
};

class tcp_stream::attempt {
 public:
  explicit attempt(endpoint const& at) : made_(fresh(at)), to_(at) {}
  io_call call() const noexcept { return made_.connecting(to_); }
  endpoint const& to() const noexcept { return to_; }
  tcp_stream take() noexcept { return std::move(made_); }

 private:
  tcp_stream made_;
  endpoint to_;
};

inline std::optional<tcp_stream> tcp_stream::first_within(resolve_results const& found, connect_options const& options,
                                                          wait_limit const& limit) {
  auto const order = detail::connection_order(found, options.first_family_count());
  auto made = detail::connecting_sockets<attempt>(order, options.attempt_delay()).first_within(limit);
  if (!made) return std::nullopt;
  return made->take();
}

inline task<tcp_stream> tcp_stream::async_connect(std::string host, service_name service, connect_options options) {
  auto const found = co_await options.resolver().async_resolve(std::move(host), std::move(service), options.resolve());
  auto order = detail::connection_order(found, options.first_family_count());
  auto const attempt = [](endpoint const& at) { return async_connect(at); };
  co_return co_await detail::async_first_to_connect<tcp_stream>(std::move(order), options.attempt_delay(), attempt);
}

}  // namespace concur::inline CONCUR_ABI
