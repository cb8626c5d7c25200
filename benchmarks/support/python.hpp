// SPDX-License-Identifier: BSL-1.0
//
// The same job in Python, as a case beside the others: a script does it on the same CPUs and prints the time.
#pragma once

#include "cases.hpp"
#include "jobs.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

namespace bench {

/// Runs a script, which prints how many nanoseconds it took. Throws std::runtime_error, with what the script says if
/// that is `skipped: …`, because something is not installed that it needs.
inline std::chrono::duration<double, std::nano> time_in_python(std::string const& script,
                                                               std::string const& arguments) {
  std::FILE* const output = popen(("/usr/bin/python3 " + script + ' ' + arguments).c_str(), "r");
  std::array<char, 200> line{};
  bool const answered = output != nullptr && std::fgets(line.data(), int(line.size()), output) != nullptr;
  bool const ended_well = output != nullptr && pclose(output) == 0;
  std::string const answer(line.data(), std::strcspn(line.data(), "\n"));
  if (answer.starts_with("skipped: ")) throw std::runtime_error(answer);
  double const nanoseconds = answered && ended_well ? std::atof(answer.c_str()) : 0;
  if (nanoseconds <= 0) throw std::runtime_error("the Python program failed");
  return std::chrono::duration<double, std::nano>(nanoseconds);
}

/// The script gets the length of the slice as a last argument, and prints the time of an operation.
inline void run_in_python(benchmark::State& state, std::string const& script, std::string const& arguments) {
  try {
    report(state, time_in_python(script, arguments + ' ' + std::to_string(slice().count())));
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

/// `job`: as python_tasks.py calls it. On the first CPU, by both loops.
inline cases in_python(char const* row, std::string const& job) {
  auto const with = [&](std::string const& loop) {
    return [arguments = loop + ' ' + job](auto& state) { run_in_python(state, BENCHMARK_PYTHON_TASKS, arguments); };
  };
  return {{row, "asyncio", with("asyncio"), timing::own}, {row, "uvloop", with("uvloop"), timing::own}};
}

/// Work that is timed as a whole, on both CPUs (see whole_work.hpp). `work`: as python_work.py calls it; `way`: how it
/// is to be done.
inline one_case whole_work_in_python(char const* row, char const* library, std::string const& work,
                                     std::string const& way) {
  auto const run = [arguments = work + ' ' + way](benchmark::State& state) {
    on_both_cpus const pinned;
    run_in_python(state, BENCHMARK_PYTHON_WORK, arguments);
  };
  return {row, library, run, timing::own};
}

}  // namespace bench
