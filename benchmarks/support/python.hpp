// SPDX-License-Identifier: BSL-1.0
//
// The same job in Python, as a case beside the others: python_tasks.py does it on the same CPU and prints the time.
#pragma once

#include "cases.hpp"

#include <cstdio>
#include <string>

namespace bench {

/// `job`: as the script calls it.
inline void run_in_python(benchmark::State& state, std::string const& loop, std::string const& job) {
  auto const command =
      "/usr/bin/python3 " BENCHMARK_PYTHON_TASKS " " + loop + ' ' + job + ' ' + std::to_string(slice().count());
  std::FILE* const output = popen(command.c_str(), "r");
  double nanoseconds = 0;
  bool const found = output != nullptr && std::fscanf(output, "%lf", &nanoseconds) == 1;
  if (output == nullptr || pclose(output) != 0 || !found) return state.SkipWithError("the Python program failed");
  report(state, std::chrono::duration<double, std::nano>(nanoseconds));
}

inline cases in_python(char const* row, char const* job) {
  auto const with = [job](char const* loop) {
    return [loop, job](benchmark::State& state) { run_in_python(state, loop, job); };
  };
  return {{row, "asyncio", with("asyncio"), timing::own}, {row, "uvloop", with("uvloop"), timing::own}};
}

}  // namespace bench
