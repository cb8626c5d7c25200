// SPDX-License-Identifier: BSL-1.0
//
// How a listener listens.
//
//     tcp_listener listener(endpoint::parse("[::]:80"), listen_options().backlog(512).share_port());
#pragma once

#include <concur/core/abi.hpp>

#include <sys/socket.h>

namespace concur::inline CONCUR_ABI {

class listen_options {
 public:
  listen_options() noexcept {}

  /// How many connections may wait to be accepted; the system may allow fewer.
  listen_options& backlog(int count) noexcept {
    backlog_ = count;
    return *this;
  }
  int backlog() const noexcept { return backlog_; }

  /// Others may listen at the same port, in this process or in others of the same user, and the system spreads the
  /// connections over them: one listener for each loop.
  listen_options& share_port(bool on = true) noexcept {
    share_port_ = on;
    return *this;
  }
  bool share_port() const noexcept { return share_port_; }

  /// At an IPv6 address: no connections from IPv4.
  listen_options& only_v6(bool on = true) noexcept {
    only_v6_ = on;
    return *this;
  }
  bool only_v6() const noexcept { return only_v6_; }

  /// At a path of a Unix socket: if there is the file of an earlier server that has gone without removing it, that is
  /// removed. Whether it has gone is seen by connecting to it. Two servers that begin at the same moment may remove
  /// each other's file: see to it that there is one.
  listen_options& replace_stale(bool on = true) noexcept {
    replace_stale_ = on;
    return *this;
  }
  bool replace_stale() const noexcept { return replace_stale_; }

 private:
  int backlog_ = SOMAXCONN;
  bool share_port_ = false;
  bool only_v6_ = false;
  bool replace_stale_ = false;
};

}  // namespace concur::inline CONCUR_ABI
