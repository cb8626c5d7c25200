// SPDX-License-Identifier: BSL-1.0
//
// A server that sends back what it receives. Each server is a process of its own on the first CPU, all of them are up
// at once, and one load generator on the second CPU turns to each in turn for 0.3 s: 1, 50 or 500 connections, each
// with one request of 64 bytes under way. Counted are the time between answers, how long the middle one and the slowest
// hundredth of the requests took, and the CPU time of the server, system calls included.
#pragma once

#include "../support/cases.hpp"
#include "../support/echo_load.hpp"
#include "../support/request_cases.hpp"
#include "../support/server.hpp"

#include <string>

inline bench::request_figures exchange_all_the_time(bench::server_process& server, int connections) {
  bench::echo_load load(server.port(), connections);
  auto const request = load.run(bench::slice() * 6 / 5, server.clock());
  load.finish();
  return request;
}

/// `kind` tells apart what the rows of the report tell apart; `name` is the library's there, if that of the server is
/// another.
inline bench::cases echo_with(bench::server const& server, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(server);
  if (name.empty()) name = server.library;
  auto const over = [&](std::string const& row, int connections) {
    return bench::asking("echo/" + row + kind, name, server.library,
                         [=](auto& asked) { return exchange_all_the_time(asked, connections); });
  };
  return {over("1_connection", 1), over("50_connections", 50), over("500_connections", 500)};
}
