// SPDX-License-Identifier: BSL-1.0
//
// What the loads find out about a server.
#pragma once

#include <time.h>

#include <stdexcept>

namespace bench {

struct request_figures {
  double seconds = 0;     // a request: elapsed time by the number of answers
  double server_cpu = 0;  // a request: seconds of the server's CPU time
  double p50 = 0;         // seconds from a request to its answer
  double p99 = 0;
};

/// Of a server_process: its clock.
inline double cpu_seconds(clockid_t of) {
  timespec now{};
  if (clock_gettime(of, &now) != 0) throw std::runtime_error("the server has ended");
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

}  // namespace bench
