// SPDX-License-Identifier: BSL-1.0
//
// What listeners have in common: see tcp_listener.hpp and unix_listener.hpp.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/io/descriptor.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/socket.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Listens at an endpoint for connections, each of which becomes a Stream.
///
/// Connections are accepted in the order in which they came; several coroutines of one loop may wait for the next. One
/// that was accepted is never lost: a cancel or a limit that comes later strikes elsewhere. A connection that broke off
/// before it was accepted is passed over. All verbs throw std::system_error: among others too_many_files_open, after
/// which the connection still waits to be accepted.
template <class Stream>
class socket_listener : public descriptor {
 public:
  using stream_type = Stream;

  Stream accept() { return *accepted_within({}); }
  /// Nothing when a stop was requested first.
  std::optional<Stream> accept(os::stop_token const& stop) { return accepted_within({.stop = &stop}); }
  /// Nothing when no connection waits.
  std::optional<Stream> try_accept() { return accepted_within({.deadline = at_once}); }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  std::optional<Stream> try_accept_for(std::chrono::duration<Rep, Period> const& limit) {
    return accepted_within({.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<Stream> try_accept_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return accepted_within(limit_at(limit));
  }
  [[nodiscard]] awaitable<Stream> auto async_accept() { return this->async_io(io_call::accept(fd()), take()); }

  /// Where it listens: with the port that the system has chosen, if it was to choose one (port 0).
  [[nodiscard]] endpoint local_endpoint() const { return options().local_endpoint(); }
  [[nodiscard]] socket_options options() const noexcept { return socket_options(fd()); }

 protected:
  socket_listener() noexcept = default;
  explicit socket_listener(unique_fd fd) noexcept : descriptor(std::move(fd)) {}

  void bind(endpoint const& at) {
    if (::bind(fd(), at.data(), at.size()) != 0) fail("binding a listener to ", at);
  }
  void listen(endpoint const& at, int backlog) {
    if (::listen(fd(), backlog) != 0) fail("listening at ", at);
  }

 private:
  struct take {
    Stream operator()(std::int64_t result) const {
      if (result < 0) throw std::system_error(static_cast<int>(-result), std::generic_category(), "accepting");
      return Stream(unique_fd(static_cast<int>(result)));
    }
  };

  std::optional<Stream> accepted_within(wait_limit const& limit) {
    auto const result = perform_within(io_call::accept(fd()), limit);
    if (!result) return std::nullopt;
    return take()(*result);
  }
  [[noreturn]] static void fail(char const* what, endpoint const& at) {
    int const error = errno;
    throw std::system_error(error, std::generic_category(), what + at.to_string());
  }
};

}  // namespace concur::inline CONCUR_ABI
