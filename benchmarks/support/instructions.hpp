// SPDX-License-Identifier: BSL-1.0
//
// How many instructions a server spends on a request, outside the kernel: nothing here is timed. The server runs under
// Valgrind's callgrind, once with few requests and once with more; what counts is the difference. So that it is the
// same each time, requests are sent only while the server sleeps in the kernel, having done all there was to do; and
// fifty at once, while it is stopped, so that it finds all fifty when it goes on.
#pragma once

#include "cases.hpp"
#include "cpus.hpp"
#include "server.hpp"
#include "server_process.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace bench {

/// A file without a name, so that nothing is left behind.
class counts_file {
 public:
  counts_file() {
    if (fd_ < 0) throw_errno("no file in memory");
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

/// Waits until the kernel says that the server is in this state. Throws when it has ended.
inline void wait_until(server_process const& server, char state) {
  using namespace std::chrono_literals;
  constexpr char ended = 'Z';
  auto const end = std::chrono::steady_clock::now() + 10s;
  for (char now = server.state(); now != state; now = server.state()) {
    if (now == ended) throw std::runtime_error("the server has ended");
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("the server does not come to rest");
    std::this_thread::sleep_for(50us);
  }
}

struct instruction_count {
  double instructions;
  int rounds;  // of one request on each connection
};

/// Instructions of a server from its start until it has answered `rounds` rounds, or some more.
template <class Load>
instruction_count count_instructions(server const& which, int connections, int rounds) {
  counts_file const counts;
  server_process server(which, {"valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=" + counts.path()});
  Load load(server.port(), connections);
  auto const exchange = [&] {
    wait_until(server, 'S');
    kill(server.pid(), SIGSTOP);
    wait_until(server, 'T');
    load.send_all();
    kill(server.pid(), SIGCONT);
    load.receive_all();
  };
  for (int n = 0; n < rounds; ++n) exchange();
  wait_until(server, 'S');
  kill(server.pid(), SIGTERM);
  // Valgrind 3.19 lets no signal through while a program waits in io_uring, but only when it has run for a while: so it
  // gets more to do until it has ended.
  constexpr int more = 1'000;
  try {
    for (int n = 0; n < more; ++n) {
      exchange();
      ++rounds;
    }
  } catch (std::runtime_error const&) {  // it has ended, as it should
  }
  server.stop();
  return {counts.instructions(), rounds};
}

template <class Load>
void report_instructions(benchmark::State& state, server const& which, int connections) {
  int const few = 10;
  int const more = few + (slice() < std::chrono::milliseconds(100) ? 200 : 3'000) / connections;
  on_second_cpu const pinned;
  try {
    auto const first = count_instructions<Load>(which, connections, few);
    auto const second = count_instructions<Load>(which, connections, more);
    report(state, std::chrono::nanoseconds(1));
    state.counters["instructions"] =
        (second.instructions - first.instructions) / (double(second.rounds - first.rounds) * connections);
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

/// Two rows: one connection, and fifty with requests that are there at once. `Load` sends them, as echo_load does.
/// `kind` tells apart what the rows of the report tell apart; `name` is the library's there, if that of the server is
/// another.
template <class Load>
cases instructions_with(std::string const& workload, server const& which, std::string const& kind, std::string name) {
  registered_servers().push_back(which);
  if (name.empty()) name = which.library;
  auto const with = [&](int connections) {
    return [which, connections](benchmark::State& state) { report_instructions<Load>(state, which, connections); };
  };
  return {
      {workload + "/1_connection" + kind, name, with(1), timing::own},
      {workload + "/50_at_once" + kind, name, with(50), timing::own},
  };
}

}  // namespace bench
