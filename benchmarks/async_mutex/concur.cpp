// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../../tests/support/test_executor.hpp"
#include "../../tests/support/test_task.hpp"

#include <concur/sync/mutex.hpp>

#include <mutex>

support::test_task<> lock_and_unlock(benchmark::State& state) {
  alignas(64) concur::mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    auto const lock = co_await mutex.async_lock();
  }
}

void async_pairs(benchmark::State& state) {
  support::queue_executor here;
  support::root_task root(here, lock_and_unlock(state));
  root.start();
  here.run_all();
  root.result();
}

void blocking_pairs(benchmark::State& state) {
  alignas(64) concur::mutex mutex;
  benchmark::DoNotOptimize(&mutex);
  for (auto _ : state) {
    std::unique_lock const lock(mutex);
  }
}

bench::cases const here = {
    {async_pair, "concur", async_pairs},
    {async_pair, "concur_blocking", blocking_pairs},
};
