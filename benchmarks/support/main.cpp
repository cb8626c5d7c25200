// SPDX-License-Identifier: BSL-1.0
//
// The main function of every workload. Beside the options of Google Benchmark:
//
//     --round=N     turns the order of the libraries within each row by N places
//     --slice_ms=N  how long cases with a time of their own run
//
// A process that is limited to one CPU (taskset) has only the cases that are made for that, every other process all
// the rest. A program with servers is its servers too: see server.hpp.
#include "cases.hpp"
#include "cpus.hpp"
#include "server.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

namespace {

// Takes `--name=number` out of the arguments.
int take_number(int& argc, char** argv, std::string_view name, int otherwise) {
  for (int i = 1; i < argc; ++i) {
    std::string_view const argument = argv[i];
    if (!argument.starts_with(name)) continue;
    int const value = std::atoi(argv[i] + name.size());
    std::rotate(argv + i, argv + i + 1, argv + argc);
    --argc;
    return value;
  }
  return otherwise;
}

std::vector<bench::one_case> cases_in_order(int round) {
  auto const here = bench::cpus().second < 0 ? bench::machine::one_cpu : bench::machine::any;
  auto all = bench::registered_cases();
  std::erase_if(all, [&](bench::one_case const& each) { return each.where != here; });
  std::ranges::sort(all, {}, [](bench::one_case const& each) { return std::tie(each.row, each.library); });
  for (auto row = all.begin(); row != all.end();) {
    auto const end = std::find_if(row, all.end(), [&](bench::one_case const& each) { return each.row != row->row; });
    std::rotate(row, row + round % (end - row), end);
    row = end;
  }
  return all;
}

void register_case(bench::one_case const& each) {
  auto* const added = benchmark::RegisterBenchmark((each.row + '/' + each.library).c_str(), each.run);
  if (each.time == bench::timing::wall) added->UseRealTime();
  if (each.time == bench::timing::own) added->UseManualTime()->Iterations(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (int const status = bench::serve_if_asked(argc, argv); status >= 0) return status;
  int const round = take_number(argc, argv, "--round=", 0);
  bench::slice() = std::chrono::milliseconds(take_number(argc, argv, "--slice_ms=", 250));
  auto const cases = cases_in_order(round);
  if (cases.empty()) return 0;
  for (auto const& each : cases) register_case(each);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  // A second thread, alive all the time: glibc leaves out the lock prefix in a process with one thread.
  std::atomic<bool> done{false};
  std::jthread const sleeper([&] { done.wait(false); });
  bench::pin_to(bench::cpus().first);
  benchmark::RunSpecifiedBenchmarks();
  done.store(true);
  done.notify_one();
}
