// SPDX-License-Identifier: BSL-1.0
//
// What a run of the explorer is told, and what it answers.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

namespace concur::testing::engine {

/// How the next schedule is found.
enum class search : std::uint8_t {
  exhaustive,  ///< every schedule within the bounds, depth first
  random,      ///< each decision by chance; preemptions are not bounded
  pct,         ///< random priorities with `depth - 1` random changes (Burckhardt et al., ASPLOS 2010)
};

/// Bounds and budgets of one exploration. Budgets are counted per execution, each for itself.
struct options {
  search strategy = search::exhaustive;
  int preemptions = 3;            ///< switches away from a thread that could go on (exhaustive search only)
  int timeouts = 1;               ///< time-outs that strike while somebody else could run
  int spurious = 1;               ///< wakes for no reason
  int weak_failures = 1;          ///< compare_exchange_weak failing for no reason, or either form on an older value
  int clock_jumps = 1;            ///< clock::now() finding that an hour has passed
  int stale_reads = 3;            ///< loads of older values, per thread and object
  int depth = 5;                  ///< of PCT: number of ordering constraints a bug may need
  int max_steps = 5000;           ///< an execution longer than this is a livelock; at most 30,000
  std::uint64_t executions = 0;   ///< limit; 0: none for exhaustive search, 100,000 for the others
  double seconds = 0;             ///< limit on CPU time; 0: none
  std::uint64_t seed = 1;         ///< of random and PCT
  std::string replay{};           ///< run just this schedule: `result::replay` of an earlier failure
};

struct result {
  bool passed = true;
  bool exhausted = false;  ///< every schedule within the bounds was run
  std::uint64_t executions = 0;
  std::uint64_t steps = 0;
  double seconds = 0;
  std::string failure{};  ///< one sentence; empty when passed
  std::string trace{};    ///< the failing execution, step by step
  std::string replay{};   ///< give it to `options::replay` to run the failing schedule again
};

inline std::ostream& operator<<(std::ostream& out, result const& r) {
  out << (r.passed ? "passed" : "FAILED") << ": " << r.executions << " executions, " << r.steps << " steps, "
      << r.seconds << " s" << (r.exhausted ? ", exhausted" : "");
  if (!r.passed) out << "\n" << r.failure << "\nreplay: " << r.replay << "\n" << r.trace;
  return out;
}

}  // namespace concur::testing::engine
