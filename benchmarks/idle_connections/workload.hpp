// SPDX-License-Identifier: BSL-1.0
//
// Ten thousand connections to a server of the echo workload, open at once and idle, each after one request. Counted are
// the server's memory by the number of connections, which is what it holds beyond what it held before the first one,
// without what the kernel holds for it; and the time to open one of them, its request included.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"
#include "../support/echo_load.hpp"
#include "../support/server.hpp"
#include "../support/server_process.hpp"

#include <sys/resource.h>

#include <chrono>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

/// The proportional share of a process in the memory that it uses, in bytes.
inline double memory_of(bench::server_process const& server) {
  std::ifstream file("/proc/" + std::to_string(server.pid()) + "/smaps_rollup");
  for (std::string word; file >> word;) {
    double kibibytes = 0;
    if (word == "Pss:" && file >> kibibytes) return kibibytes * 1024;
  }
  throw std::runtime_error("the server's memory cannot be read");
}

/// Whether a process may have so many descriptors, beside its others. Processes that it starts may have as many.
inline bool may_open(int connections) {
  auto const wanted = rlim_t(connections) + 100;
  bench::allow_descriptors(wanted);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur >= wanted;
}

inline void hold_idle_connections(benchmark::State& state, bench::server const& which) {
  bool const smoke = bench::slice() < std::chrono::milliseconds(100);
  int const connections = smoke ? 1'000 : 10'000;
  bench::on_second_cpu const pinned;
  try {
    if (!may_open(connections)) throw std::runtime_error("skipped: fewer than 10,100 descriptors allowed (ulimit -n)");
    bench::server_process server(which);
    auto const port = server.port();
    {
      bench::echo_load first(port, 1);  // not counted: what the server takes once
      first.finish();
    }
    double const before = memory_of(server);
    auto const begin = std::chrono::steady_clock::now();
    bench::echo_load all(port, connections);
    auto const elapsed = std::chrono::steady_clock::now() - begin;
    double const after = memory_of(server);
    all.send_all();  // they all still work
    all.receive_all();
    all.finish();
    bench::report(state, std::chrono::duration<double>(elapsed) / connections);
    state.counters["bytes"] = (after - before) / connections;
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

inline bench::cases idle_with(bench::server const& which) {
  bench::registered_servers().push_back(which);
  auto const run = [which](benchmark::State& state) { hold_idle_connections(state, which); };
  return {{"idle_connections/ten_thousand", which.library, run, bench::timing::own}};
}
