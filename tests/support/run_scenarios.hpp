// SPDX-License-Identifier: BSL-1.0
//
// Runs all registered scenarios of a subject as sections of the test case that calls it: each must pass and be
// exhausted. With CONCUR_LONG=1 in the environment also under a million random and a million PCT schedules. With
// CONCUR_EXPLORE_EXECUTIONS=n only the first n schedules of each, for builds that are slow and look for other faults.
#pragma once

#include "catch.hpp"
#include "long_form.hpp"
#include "scenarios.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace explored {

/// 0: no limit.
inline std::uint64_t execution_limit() {
  char const* const wish = std::getenv("CONCUR_EXPLORE_EXECUTIONS");
  return wish == nullptr ? 0 : std::strtoull(wish, nullptr, 10);
}

inline void report(std::string const& subject, std::string const& name, char const* how, testing::result const& r) {
  std::printf("%-20s %-44s %-10s %9llu executions %8.0f/s  %-9s %6.2f s\n", subject.c_str(), name.c_str(), how,
              static_cast<unsigned long long>(r.executions), r.seconds > 0 ? double(r.executions) / r.seconds : 0.0,
              r.exhausted ? "exhausted" : "", r.seconds);
  std::fflush(stdout);
}

inline void run(std::string const& subject) {
  for (entry const& e : registry()) {
    if (e.subject != subject) continue;
    DYNAMIC_SECTION(e.scenario.name) {
      testing::options exhaustive = e.scenario.bounds;
      exhaustive.executions = execution_limit();
      auto const r = testing::explore(e.scenario.function, exhaustive);
      report(subject, e.scenario.name, "exhaustive", r);
      INFO(r);
      REQUIRE(r.passed);
      REQUIRE((r.exhausted || exhaustive.executions != 0));
      if (!support::long_form()) continue;
      for (testing::search const strategy : {testing::search::random, testing::search::pct}) {
        testing::options bounds = e.scenario.bounds;
        bounds.strategy = strategy;
        bounds.executions = 1'000'000;
        bounds.depth = 5;
        auto const chance = testing::explore(e.scenario.function, bounds);
        report(subject, e.scenario.name, strategy == testing::search::pct ? "pct" : "random", chance);
        INFO(chance);
        REQUIRE(chance.passed);
      }
    }
  }
}

}  // namespace explored
