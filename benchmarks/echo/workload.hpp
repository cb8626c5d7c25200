// SPDX-License-Identifier: BSL-1.0
//
// A server that sends back what it receives. Each server is a process of its own on the first CPU, all of them are up
// at once, and one load generator on the second CPU turns to each in turn for 0.3 s: 1, 50 or 500 connections, each
// with one request of 64 bytes under way. Counted are the time between answers, how long the middle one and the slowest
// hundredth of the requests took, and the CPU time of the server, system calls included. Then the same with one
// connection and servers that look for 50 µs whether something has come, before they sleep.
#pragma once

#include "../support/cases.hpp"
#include "../support/echo_load.hpp"
#include "../support/request_cases.hpp"
#include "../support/server.hpp"

#include <string>
#include <utility>

inline bench::one_case echo_over(int connections, std::string row, std::string name, std::string const& library) {
  return bench::asking(std::move(row), std::move(name), library, [=](bench::server_process& asked) {
    return bench::exchange_all_the_time<bench::echo_load>(asked, connections, bench::slice() * 6 / 5);
  });
}

/// `kind` tells apart what the rows of the report tell apart; `name` is the library's there, if that of the server is
/// another.
inline bench::cases echo_with(bench::server const& server, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(server);
  if (name.empty()) name = server.library;
  return {echo_over(1, "echo/1_connection" + kind, name, server.library),
          echo_over(50, "echo/50_connections" + kind, name, server.library),
          echo_over(500, "echo/500_connections" + kind, name, server.library)};
}

/// Of servers that poll busily: with one connection, since others that are busy keep a server awake anyway.
inline bench::cases busy_echo_with(bench::server const& server, std::string name) {
  bench::registered_servers().push_back(server);
  return {echo_over(1, "echo/1_connection_busy_polling", std::move(name), server.library)};
}
