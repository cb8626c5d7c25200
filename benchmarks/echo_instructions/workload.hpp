// SPDX-License-Identifier: BSL-1.0
//
// How many instructions a server of the echo workload spends on a request, outside the kernel: nothing here is timed.
// The server runs under Valgrind's callgrind, once with few requests and once with more; what counts is the difference.
// So that it is the same each time, requests are sent only while the server sleeps in the kernel, having done all there
// was to do; and fifty at once, while it is stopped, so that it finds all fifty when it goes on.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"
#include "../support/echo_load.hpp"
#include "../support/server.hpp"
#include "../support/server_process.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

/// A file without a name, so that nothing is left behind.
class counts_file {
 public:
  counts_file() {
    if (fd_ < 0) bench::throw_errno("no file in memory");
  }
  ~counts_file() { close(fd_); }
  counts_file(counts_file const&) = delete;
  counts_file& operator=(counts_file const&) = delete;

  std::string path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_); }

  /// What callgrind has written at its end.
  double instructions() const {
    std::ifstream file(path());
    for (std::string word; file >> word;) {
      double count = 0;
      if (word == "totals:" && file >> count) return count;
    }
    throw std::runtime_error("valgrind has counted nothing");
  }

 private:
  int const fd_ = memfd_create("callgrind", MFD_CLOEXEC);
};

/// Waits until the kernel says that the server is in this state.
inline void wait_until(bench::server_process const& server, char state) {
  using namespace std::chrono_literals;
  auto const end = std::chrono::steady_clock::now() + 10s;
  while (server.state() != state) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("the server does not come to rest");
    std::this_thread::sleep_for(50us);
  }
}

/// Instructions of a server from its start until it has answered `requests` on each connection and one more.
inline double count_instructions(bench::server const& which, int connections, int requests) {
  counts_file const counts;
  bench::server_process server(which,
                               {"valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=" + counts.path()});
  bench::echo_load load(server.port(), connections);
  for (int n = 0; n < requests; ++n) {
    wait_until(server, 'S');
    kill(server.pid(), SIGSTOP);
    wait_until(server, 'T');
    load.send_all();
    kill(server.pid(), SIGCONT);
    load.receive_all();
  }
  wait_until(server, 'S');
  // valgrind 3.19 lets no signal through while a program waits in io_uring: the requests wake it.
  kill(server.pid(), SIGTERM);
  load.send_all();
  server.stop();
  return counts.instructions();
}

inline void report_instructions(benchmark::State& state, bench::server const& which, int connections) {
  int const few = 10;
  int const more = few + (bench::slice() < std::chrono::milliseconds(100) ? 200 : 3'000) / connections;
  bench::on_second_cpu const pinned;
  try {
    double const first = count_instructions(which, connections, few);
    double const second = count_instructions(which, connections, more);
    bench::report(state, std::chrono::nanoseconds(1));
    state.counters["instructions"] = (second - first) / ((more - few) * connections);
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

/// `kind` and `name` as in the workload `echo`.
inline bench::cases instructions_of(bench::server const& which, std::string const& kind = {}, std::string name = {}) {
  bench::registered_servers().push_back(which);
  if (name.empty()) name = which.library;
  auto const with = [&](int connections) {
    return [which, connections](benchmark::State& state) { report_instructions(state, which, connections); };
  };
  return {
      {"echo_instructions/1_connection" + kind, name, with(1), bench::timing::own},
      {"echo_instructions/50_at_once" + kind, name, with(50), bench::timing::own},
  };
}
