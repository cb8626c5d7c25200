// SPDX-License-Identifier: BSL-1.0
//
// A server that answers GET /hello with `hello`, on connections that are kept. Each server is a process of its own on
// the first CPU, all of them are up at once, and wrk on the second CPU turns to each in turn, with 50 connections for
// a second, the shortest time that it takes. Counted are the time between answers, how long the middle one and the
// slowest hundredth of the requests took, and the CPU time of the server, system calls included.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"
#include "../support/server.hpp"
#include "../support/servers_up.hpp"
#include "../support/wrk_load.hpp"

#include <chrono>
#include <exception>
#include <string>

inline void ask_all_the_time(benchmark::State& state, std::string const& library, int connections) {
  bench::on_second_cpu const pinned;
  try {
    auto& server = bench::server_up(library);
    auto const request = bench::run_wrk(server.port(), connections, std::chrono::seconds(1), server.clock());
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
inline bench::cases hello_with(bench::server const& server, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(server);
  if (name.empty()) name = server.library;
  auto const ask = [library = server.library](auto& state) { ask_all_the_time(state, library, 50); };
  return {{"http_hello/50_connections" + kind, name, ask, bench::timing::own}};
}
