// SPDX-License-Identifier: BSL-1.0
//
// How a host is connected to by its name.
//
//     auto stream = co_await tcp_stream::async_connect("example.org", "https", connect_options().attempt_delay(100ms));
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/net/resolve_query.hpp>
#include <concur/net/resolver.hpp>

#include <chrono>
#include <cstddef>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls.
class connect_options {
 public:
  connect_options() noexcept {}

  /// How long an attempt goes on alone before the next one begins beside it; 250 ms by default. Zero or less: all at
  /// once.
  template <class Rep, class Period>
  connect_options& attempt_delay(std::chrono::duration<Rep, Period> const& length) noexcept {
    attempt_delay_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds attempt_delay() const noexcept { return attempt_delay_; }

  /// How many addresses of the family that comes first are tried before the first one of the other; one by default.
  connect_options& first_family_count(std::size_t count) noexcept {
    first_family_count_ = count;
    return *this;
  }
  std::size_t first_family_count() const noexcept { return first_family_count_; }

  /// Who is asked for the addresses; it must outlive the call. The resolver of the process by default.
  connect_options& ask(concur::resolver& whom) noexcept {
    resolver_ = &whom;
    return *this;
  }
  concur::resolver& resolver() const { return resolver_ != nullptr ? *resolver_ : default_resolver(); }

  /// What is asked: addresses of one family only, for instance.
  connect_options& resolve(resolve_options const& how) noexcept {
    resolve_ = how;
    return *this;
  }
  resolve_options const& resolve() const noexcept { return resolve_; }

 private:
  std::chrono::nanoseconds attempt_delay_ = std::chrono::milliseconds(250);
  std::size_t first_family_count_ = 1;
  concur::resolver* resolver_ = nullptr;
  resolve_options resolve_;
};

}  // namespace concur::inline CONCUR_ABI
