// SPDX-License-Identifier: BSL-1.0
//
// How a server serves.
//
//     co_await serve(listener, handler, serve_options().connection_limit(1000).grace(5s).stop(source.get_token()));
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>

#include <chrono>
#include <cstddef>
#include <utility>

namespace concur::inline CONCUR_ABI {

class serve_options {
 public:
  serve_options() {}

  /// How many connections are served at a time; at least one. The next ones wait in the listener's backlog. No limit by
  /// default.
  serve_options& connection_limit(std::size_t count) noexcept {
    connection_limit_ = count;
    return *this;
  }
  std::size_t connection_limit() const noexcept { return connection_limit_; }

  /// Ends it in an orderly way when a stop is requested, on any thread.
  serve_options& stop(os::stop_token token) noexcept {
    stop_ = std::move(token);
    return *this;
  }
  os::stop_token const& stop() const noexcept { return stop_; }

  /// How long an orderly end waits for the connections that are served, before it cancels them. No limit by default.
  template <class Rep, class Period>
  serve_options& grace(std::chrono::duration<Rep, Period> const& length) noexcept {
    grace_ = saturated(length);
    return *this;
  }
  std::chrono::nanoseconds grace() const noexcept { return grace_; }

 private:
  std::size_t connection_limit_ = SIZE_MAX;
  std::chrono::nanoseconds grace_ = std::chrono::nanoseconds::max();
  os::stop_token stop_;
};

}  // namespace concur::inline CONCUR_ABI
