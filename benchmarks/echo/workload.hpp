// SPDX-License-Identifier: BSL-1.0
//
// A server that sends back what it receives. Each server is a process of its own on the first CPU, all of them are up
// at once, and one load generator on the second CPU turns to each in turn for 0.3 s: 1, 50 or 500 connections, each
// with one request of 64 bytes under way. Counted are the time between answers, how long the middle one and the slowest
// hundredth of the requests took, and the CPU time of the server, system calls included.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"
#include "../support/echo_load.hpp"
#include "../support/server.hpp"
#include "../support/servers_up.hpp"

#include <exception>
#include <string>

inline void exchange_all_the_time(benchmark::State& state, std::string const& library, int connections) {
  bench::on_second_cpu const pinned;
  try {
    auto& server = bench::server_up(library);
    bench::echo_load load(server.port(), connections);
    auto const request = load.run(bench::slice() * 6 / 5, server.clock());
    load.finish();
    bench::report(state, std::chrono::duration<double>(request.seconds));
    state.counters["p50"] = request.p50 * 1e9;
    state.counters["p99"] = request.p99 * 1e9;
    state.counters["cpu"] = request.server_cpu * 1e9;
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

/// `kind` tells apart what the rows of the report tell apart; `name` is the library's there, if that of the server is
/// another.
inline bench::cases echo_with(bench::server const& server, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(server);
  if (name.empty()) name = server.library;
  auto const with = [&](int connections) {
    return [library = server.library, connections](auto& state) { exchange_all_the_time(state, library, connections); };
  };
  return {
      {"echo/1_connection" + kind, name, with(1), bench::timing::own},
      {"echo/50_connections" + kind, name, with(50), bench::timing::own},
      {"echo/500_connections" + kind, name, with(500), bench::timing::own},
  };
}
