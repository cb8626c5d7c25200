// SPDX-License-Identifier: BSL-1.0
//
// The command `mutate`: weakens every memory order, wake and barrier that the registered scenarios pass, one at a
// time, and tells which mutants no scenario notices. Linked with all `*_explore.cpp` files, whose test cases it does
// not run.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"
#include "scenarios.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr char const* help =
    "mutate [--list] [--help] [--in path] [subject ...]\n"
    "  Runs the mutants of the library's code that the scenarios of the given subjects, or of all, pass.\n"
    "  --in    only those of files whose path below include/concur/ begins so: core/, pool/detail/pool_state.hpp\n"
    "  --list  names the subjects and their scenarios\n"
    "  A mutant survives when no scenario fails. Exit status 1 when one survives for which the source gives no "
    "reason:\n"
    "  a comment with `mutant:` on the line, or up to three lines above it. What lower layers do is often noticed "
    "only\n"
    "  by a scenario of a higher one, so only the run of all subjects counts.\n";

void list() {
  for (explored::entry const& e : explored::registry()) {
    std::printf("%-20s %s\n", e.subject.c_str(), e.scenario.name.c_str());
  }
}

void print(concur::testing::mutant const& m) {
  std::string const fate = m.killed() ? "by '" + m.killer + "'" : m.reason.empty() ? "no reason stated" : m.reason;
  std::printf("  %-8s %-72s %s\n", m.killed() ? "killed" : "SURVIVED", m.text().c_str(), fate.c_str());
  std::fflush(stdout);
}

std::vector<concur::testing::mutation_scenario> scenarios_of(std::vector<std::string> const& subjects) {
  std::vector<concur::testing::mutation_scenario> chosen;
  for (explored::entry const& e : explored::registry()) {
    if (std::find(subjects.begin(), subjects.end(), e.subject) == subjects.end()) continue;
    chosen.push_back(e.scenario);
    chosen.back().name.insert(0, e.subject + ": ");
  }
  return chosen;
}

struct tally {
  int killed = 0, with_reason = 0, without = 0;

  void add(concur::testing::mutant const& m) { ++(m.killed() ? killed : m.reason.empty() ? without : with_reason); }
  void print(char const* what) const {
    std::printf("%-24s %4d killed, %3d survive with a reason, %3d without\n", what, killed, with_reason, without);
  }
};

/// Returns how many survivors nobody has explained.
int run(std::vector<std::string> const& subjects, std::string const& path) {
  auto const report =
      concur::testing::run_mutations(scenarios_of(subjects), {.only_in = "/include/concur/" + path}, print);
  std::map<std::string, tally> files;
  tally total;
  for (auto const& m : report.mutants) {
    files[std::string(concur::testing::engine::file_name(m.place.file.c_str()))].add(m);
    total.add(m);
  }
  std::printf("\n");
  for (auto const& [file, each] : files) each.print(file.c_str());
  total.print("all");
  return total.without;
}

}  // namespace

int main(int argc, char* argv[]) {
  std::vector<std::string> wanted;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    std::string_view const argument = argv[i];
    if (argument == "--help") return std::fputs(help, stdout), 0;
    if (argument == "--list") return list(), 0;
    if (argument == "--in" && i + 1 < argc) {
      path = argv[++i];
      continue;
    }
    if (argument.starts_with("-")) return std::fputs(help, stderr), 2;
    wanted.emplace_back(argument);
  }
  auto const known = explored::subjects();
  for (std::string const& subject : wanted) {
    if (std::find(known.begin(), known.end(), subject) != known.end()) continue;
    std::fprintf(stderr, "mutate: no scenario has the subject '%s'\n", subject.c_str());
    return 2;
  }
  try {
    return run(wanted.empty() ? known : wanted, path) == 0 ? 0 : 1;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "mutate: %s\n", e.what());
    return 2;
  }
}
