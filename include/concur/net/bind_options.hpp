// SPDX-License-Identifier: BSL-1.0
//
// How a datagram socket takes its name.
//
//     udp_socket news(endpoint::parse("0.0.0.0:5353"), bind_options().share_address());
#pragma once

#include <concur/core/abi.hpp>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls.
class bind_options {
 public:
  bind_options() noexcept {}

  /// Others may bind to the same address and port, if they all say so: each receives what is sent to a multicast group
  /// or broadcast, and the last one what is sent to the port itself.
  bind_options& share_address(bool on = true) noexcept {
    share_address_ = on;
    return *this;
  }
  bool share_address() const noexcept { return share_address_; }

  /// The same, but the system spreads what is sent to the port over all of them: one socket for each loop.
  bind_options& share_port(bool on = true) noexcept {
    share_port_ = on;
    return *this;
  }
  bool share_port() const noexcept { return share_port_; }

  /// At an IPv6 address: no datagrams from IPv4.
  bind_options& only_v6(bool on = true) noexcept {
    only_v6_ = on;
    return *this;
  }
  bool only_v6() const noexcept { return only_v6_; }

  /// At a path of a Unix socket: see listen_options.
  bind_options& replace_stale(bool on = true) noexcept {
    replace_stale_ = on;
    return *this;
  }
  bool replace_stale() const noexcept { return replace_stale_; }

 private:
  bool share_address_ = false;
  bool share_port_ = false;
  bool only_v6_ = false;
  bool replace_stale_ = false;
};

}  // namespace concur::inline CONCUR_ABI
