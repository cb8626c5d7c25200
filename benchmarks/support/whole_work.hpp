// SPDX-License-Identifier: BSL-1.0
//
// Work that is timed as a whole, from nothing (no thread, no pool, no loop yet) to the last result. Elapsed time; both
// CPUs may be used.
#pragma once

#include "cases.hpp"
#include "jobs.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace bench {

/// `work()` does all of it and returns whether the result is right. Done once at least, and until the slice is over.
template <class Work>
one_case whole_work(std::string row, std::string library, Work work) {
  auto const run = [work = std::move(work)](benchmark::State& state) {
    on_both_cpus const pinned;
    std::chrono::duration<double> all{0};
    int runs = 0;
    try {
      for (; runs == 0 || all < slice(); ++runs) {
        auto const begin = std::chrono::steady_clock::now();
        if (!work()) return state.SkipWithError("the result is wrong");
        all += std::chrono::steady_clock::now() - begin;
      }
    } catch (std::exception const& error) {
      return state.SkipWithError(error.what());
    }
    report(state, all / runs);
  };
  return {std::move(row), std::move(library), run, timing::own};
}

}  // namespace bench
