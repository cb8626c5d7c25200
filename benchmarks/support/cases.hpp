// SPDX-License-Identifier: BSL-1.0
//
// How the files of a workload name what they measure. A case is a row of the report and the library that does the job.
//
//     bench::cases const here = {{"mutex_uncontended/pair", "std", pair<std::mutex>}};
//
// `main` puts the cases of a row side by side and turns their order from round to round.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace bench {

/// What counts. cpu: CPU time of the calling thread, an iteration (what one thread does alone). wall: elapsed time, an
/// iteration (what two threads do together). own: one run, which calls State::SetIterationTime with the result.
enum class timing { cpu, wall, own };

/// Where a case makes sense: everywhere but in a process that is limited to one CPU, or only there.
enum class machine { any, one_cpu };

struct one_case {
  std::string row;
  std::string library;
  std::function<void(benchmark::State&)> run;
  timing time = timing::cpu;
  machine where = machine::any;
};

/// All cases of the program. Written by static constructors, read by main.
inline std::vector<one_case>& registered_cases() {
  static std::vector<one_case> all;
  return all;
}

struct cases {
  cases(std::initializer_list<one_case> some) { registered_cases().insert(registered_cases().end(), some); }
};

/// How long a case with a time of its own keeps its threads running. Set by main.
inline std::chrono::milliseconds& slice() {
  static std::chrono::milliseconds length{250};
  return length;
}

/// For timing::own: reports `result` as the time of one operation.
inline void report(benchmark::State& state, std::chrono::duration<double> result) {
  for (auto _ : state) state.SetIterationTime(result.count());
}

}  // namespace bench
