// SPDX-License-Identifier: BSL-1.0
//
// What the workloads with pools share: where their threads run, how they see that every job has run, and how a million
// jobs are timed.
#pragma once

#include "cases.hpp"
#include "cpus.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>

namespace bench {

/// While it lives, the calling thread may use both CPUs, and so may the threads that are started meanwhile.
class on_both_cpus {
 public:
  on_both_cpus() { pin_to(cpus().first, cpus().second); }
  ~on_both_cpus() { pin_to(cpus().first); }
  on_both_cpus(on_both_cpus const&) = delete;
  on_both_cpus& operator=(on_both_cpus const&) = delete;
};

/// Counts jobs, each thread for itself, so that counting costs a nanosecond and no shared line.
class tally {
 public:
  static void add() {
    if (mine_ == nullptr) [[unlikely]] {
      auto const place = std::size_t(used_.fetch_add(1));
      if (place >= slots_.size()) std::abort();  // more threads than any of the programs starts
      mine_ = &slots_[place].count;
    }
    mine_->store(mine_->load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  static long sum() {
    long all = 0;
    int const used = used_.load();
    for (int each = 0; each < used; ++each) all += slots_[std::size_t(each)].count.load(std::memory_order_acquire);
    return all;
  }

 private:
  struct alignas(128) slot {
    std::atomic<long> count;  // zero to begin with
  };
  static inline std::array<slot, 1024> slots_;
  static inline std::atomic<int> used_{0};
  static inline constinit thread_local std::atomic<long>* mine_ = nullptr;
};

/// Reports the time of one job: `run_all` does `jobs` of them and returns how long that took. The first run is not
/// counted: it takes fresh memory from the system. Then it is run until the slice is over. `counted` of the jobs add
/// themselves to the tally.
template <class Run>
void report_jobs(benchmark::State& state, long jobs, long counted, Run run_all) {
  using seconds = std::chrono::duration<double>;
  long const before = tally::sum();
  run_all();
  long runs = 1;
  seconds all{0};
  for (; all < slice(); ++runs) all += seconds(run_all());
  if (tally::sum() - before != runs * counted) return state.SkipWithError("not every job has run once");
  report(state, all / double(runs - 1) / double(jobs));
}

}  // namespace bench
