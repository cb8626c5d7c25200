// SPDX-License-Identifier: BSL-1.0
//
// Header fields and limits: those that a client has for all of its requests, and those that one has for itself.
//
//     http_client client(client_options().timeout(30s).max_redirects(3));
//     client.request(client_request("GET", url).timeout(5s));
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/http/headers.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// Nothing stands for what is not said here.
class client_limits {
 public:
  client_limits() noexcept {}

  std::optional<std::chrono::nanoseconds> total;
  std::optional<std::chrono::nanoseconds> connect;
  std::optional<std::chrono::nanoseconds> stall;
  std::optional<unsigned> redirects;
  std::optional<std::size_t> body;
};

/// What client_options and client_request have in common: chained calls that give Derived.
template <class Derived>
class client_settings {
 public:
  /// The only field of that name, or one more; a client's is for requests that have none of that name. Throw
  /// std::invalid_argument for what is no name or has control characters in it, and for Content-Length and
  /// Transfer-Encoding, which the body decides.
  Derived& header(std::string_view name, std::string_view value) {
    require_sendable(name, value);
    headers_.set(name, value);
    return derived();
  }
  Derived& add_header(std::string_view name, std::string_view value) {
    require_sendable(name, value);
    headers_.add(name, value);
    return derived();
  }
  http_headers const& headers() const noexcept { return headers_; }

  /// For all of it, from the call to the last byte of the answer, redirects and waits of the reader included. No limit
  /// by default. Zero or less has passed already.
  template <class Rep, class Period>
  Derived& timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    limits_.total = saturated(length);
    return derived();
  }
  /// For each connection, TLS included; 30 s by default.
  template <class Rep, class Period>
  Derived& connect_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    limits_.connect = saturated(length);
    return derived();
  }
  /// How long nothing at all may be sent or received, in whole seconds; libcurl, which takes the average of the last
  /// five, may notice so much later. No limit by default. The time in which the reader of an answer keeps it waiting
  /// does not count.
  template <class Rep, class Period>
  Derived& stall_timeout(std::chrono::duration<Rep, Period> const& length) noexcept {
    limits_.stall = saturated(length);
    return derived();
  }

  /// How often it may be sent elsewhere, 10 by default; once more is an error. With none the redirect is the answer.
  /// After 303 it goes on with GET, after 301 and 302 if it was a POST; passwords are not passed on to other hosts.
  Derived& max_redirects(unsigned count) noexcept {
    limits_.redirects = count;
    return derived();
  }
  Derived& without_redirects() noexcept { return max_redirects(0); }

  /// How many bytes the body of an answer that is kept in memory may have, decompressed; 256 MiB by default. More is an
  /// error, and the transfer ends there.
  Derived& max_body(std::size_t bytes) noexcept {
    limits_.body = bytes;
    return derived();
  }

  client_limits const& limits() const noexcept { return limits_; }

 protected:
  client_settings() noexcept {}

 private:
  Derived& derived() noexcept { return static_cast<Derived&>(*this); }

  static void require_sendable(std::string_view name, std::string_view value) {
    std::string const shown(name);
    if (!is_header_name(name)) throw std::invalid_argument("this is no name of a header field: " + shown);
    if (!is_header_value(value)) throw std::invalid_argument("this field has control characters in it: " + shown);
    if (same_header_name(name, "Content-Length") || same_header_name(name, "Transfer-Encoding")) {
      throw std::invalid_argument("the body decides what this field says: " + shown);
    }
  }

  http_headers headers_;
  client_limits limits_;
};

}  // namespace concur::inline CONCUR_ABI
