// SPDX-License-Identifier: BSL-1.0
//
// Which CPUs the cases run on: the same two for every library.
#pragma once

#include <sched.h>

#include <fstream>
#include <string>
#include <utility>

namespace bench {

/// Two CPUs of different cores, as far as the process has them. `second` is -1 if it is limited to one CPU.
struct two_cpus {
  int first = -1;
  int second = -1;
};

inline std::pair<int, int> core_of(int cpu) {
  auto const number = [&](char const* what) {
    int value = -1;
    std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + what) >> value;
    return value;
  };
  return {number("physical_package_id"), number("core_id")};
}

/// Read at the first call, which main makes before it pins itself.
inline two_cpus const& cpus() {
  static two_cpus const found = [] {
    two_cpus result;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      if (result.first < 0) {
        result.first = cpu;
      } else if (result.second < 0 || core_of(result.second) == core_of(result.first)) {
        result.second = cpu;  // a sibling of the first only if there is nothing else
      }
    }
    return result;
  }();
  return found;
}

inline void pin_to(int cpu, int or_other = -1) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (or_other >= 0) CPU_SET(or_other, &set);
  sched_setaffinity(0, sizeof set, &set);
}

/// While it lives, the calling thread runs on the second CPU.
class on_second_cpu {
 public:
  on_second_cpu() { pin_to(cpus().second); }
  ~on_second_cpu() { pin_to(cpus().first); }
  on_second_cpu(on_second_cpu const&) = delete;
  on_second_cpu& operator=(on_second_cpu const&) = delete;
};

}  // namespace bench
