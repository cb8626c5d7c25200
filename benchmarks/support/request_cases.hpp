// SPDX-License-Identifier: BSL-1.0
//
// How the workloads with servers measure one: it is up beside all the others, and is asked from the second CPU.
#pragma once

#include "cases.hpp"
#include "cpus.hpp"
#include "request_figures.hpp"
#include "server.hpp"
#include "servers_up.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace bench {

/// `load(server_process&)` asks it for as long as is due and returns request_figures. Of registered servers.
template <class Load>
one_case asking(std::string row, std::string name, std::string const& library, Load load) {
  auto const run = [library, load](benchmark::State& state) {
    on_second_cpu const pinned;
    try {
      request_figures const request = load(server_up(library));
      report(state, std::chrono::duration<double>(request.seconds));
      state.counters["p50"] = request.p50 * 1e9;
      state.counters["p99"] = request.p99 * 1e9;
      state.counters["cpu"] = request.server_cpu * 1e9;
    } catch (std::exception const& error) {
      state.SkipWithError(error.what());
    }
  };
  return {std::move(row), std::move(name), run, timing::own};
}

}  // namespace bench
