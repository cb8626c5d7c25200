// SPDX-License-Identifier: BSL-1.0
//
// The workload echo over TLS: 50 connections, each with one request of 64 bytes under way. The servers share what
// limits them, OpenSSL and the kernel; the handshakes are not measured.
#pragma once

#include "../support/cases.hpp"
#include "../support/request_cases.hpp"
#include "../support/server.hpp"
#include "../support/tls_echo_load.hpp"

#include <string>

inline bench::cases tls_echo_with(bench::server const& server) {
  bench::registered_servers().push_back(server);
  auto const exchange = [](bench::server_process& asked) {
    return bench::exchange_all_the_time<bench::tls_echo_load>(asked, 50, bench::slice() * 6 / 5);
  };
  return {bench::asking("tls_echo/50_connections", server.library, server.library, exchange)};
}
