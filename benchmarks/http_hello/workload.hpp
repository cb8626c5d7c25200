// SPDX-License-Identifier: BSL-1.0
//
// A server that answers GET /hello with `hello`, on connections that are kept. Each server is a process of its own on
// the first CPU, all of them are up at once, and wrk on the second CPU turns to each in turn, with 50 connections for
// a second, the shortest time that it takes. Counted are the time between answers, how long the middle one and the
// slowest hundredth of the requests took, and the CPU time of the server, system calls included.
#pragma once

#include "../support/cases.hpp"
#include "../support/request_cases.hpp"
#include "../support/server.hpp"
#include "../support/wrk_load.hpp"

#include <chrono>
#include <string>

/// `kind` tells apart what the rows of the report tell apart; `name` is the library's there, if that of the server is
/// another.
inline bench::cases hello_with(bench::server const& server, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(server);
  if (name.empty()) name = server.library;
  auto const ask = [](bench::server_process& asked) {
    return bench::run_wrk(asked.port(), 50, std::chrono::seconds(1), asked.clock());
  };
  return {bench::asking("http_hello/50_connections" + kind, name, server.library, ask)};
}
