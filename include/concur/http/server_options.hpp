// SPDX-License-Identifier: BSL-1.0
//
// How an HTTP server bears with its clients.
//
//     serve_http(listener, router, http_server_options().body_limit(64 << 20).handler_timeout(30s));
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/net/serve_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls. Times count in the time of the loop; `hours::max()` is no limit.
class http_server_options {
 public:
  http_server_options() {}

  /// How many connections at a time, and how it ends: see serve_options. When a stop is requested, a connection is
  /// closed behind the answer that it waits for, and at once if it waits for none.
  http_server_options& serving(serve_options options) noexcept {
    serving_ = std::move(options);
    return *this;
  }
  serve_options const& serving() const noexcept { return serving_; }

  /// How large the head of a request may be (else 431), and its body (else 413).
  http_server_options& header_limit(std::size_t bytes) noexcept {
    header_limit_ = bytes;
    return *this;
  }
  std::size_t header_limit() const noexcept { return header_limit_; }
  http_server_options& body_limit(std::uint64_t bytes) noexcept {
    body_limit_ = bytes;
    return *this;
  }
  std::uint64_t body_limit() const noexcept { return body_limit_; }

  /// How long all of a head may take to come, from its first byte; on a new connection from the beginning (else 408).
  template <class Rep, class Period>
  http_server_options& header_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    header_timeout_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds header_timeout() const noexcept { return header_timeout_; }

  /// How long the server waits for the body of one request, all in all (else 408).
  template <class Rep, class Period>
  http_server_options& body_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    body_timeout_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds body_timeout() const noexcept { return body_timeout_; }

  /// How long a connection may be without a request, between two of them.
  template <class Rep, class Period>
  http_server_options& idle_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    idle_timeout_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds idle_timeout() const noexcept { return idle_timeout_; }

  /// How long a handler may take until it gives its answer; then it is cancelled (503). No limit by default.
  template <class Rep, class Period>
  http_server_options& handler_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    handler_timeout_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds handler_timeout() const noexcept { return handler_timeout_; }

  /// How long a client may not read any of what is written for it; then the connection is broken off.
  template <class Rep, class Period>
  http_server_options& write_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    write_timeout_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds write_timeout() const noexcept { return write_timeout_; }

  /// For so long, and so many bytes, the server still reads from a client that it has written its last answer for:
  /// otherwise what that sends meanwhile would reset the connection, and the answer could be lost.
  template <class Rep, class Period>
  http_server_options& linger(std::chrono::duration<Rep, Period> const& length, std::uint64_t bytes) noexcept {
    linger_timeout_ = saturated(length);
    linger_limit_ = bytes;
    return *this;
  }
  std::chrono::nanoseconds linger_timeout() const noexcept { return linger_timeout_; }
  std::uint64_t linger_limit() const noexcept { return linger_limit_; }

 private:
  serve_options serving_;
  std::size_t header_limit_ = 16 * 1024;
  std::uint64_t body_limit_ = 1024 * 1024;
  std::chrono::nanoseconds header_timeout_ = std::chrono::seconds(10);
  std::chrono::nanoseconds body_timeout_ = std::chrono::seconds(60);
  std::chrono::nanoseconds idle_timeout_ = std::chrono::seconds(75);
  std::chrono::nanoseconds handler_timeout_ = std::chrono::nanoseconds::max();
  std::chrono::nanoseconds write_timeout_ = std::chrono::seconds(30);
  std::chrono::nanoseconds linger_timeout_ = std::chrono::seconds(5);
  std::uint64_t linger_limit_ = 16 * 1024 * 1024;
};

}  // namespace concur::inline CONCUR_ABI
