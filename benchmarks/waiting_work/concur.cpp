// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/thread/this_thread.hpp>
#include <concur/thread/thread.hpp>

#include <numeric>
#include <vector>

namespace {

concur::task<int> wait_one() {
  co_await concur::sleep_for(one_wait);
  co_return 1;
}

concur::task<int> wait_all() {
  std::vector<concur::task<int>> all;
  for (int n = 0; n < waits; ++n) all.push_back(wait_one());
  auto const ended = co_await concur::gather(std::move(all));
  co_return std::accumulate(ended.begin(), ended.end(), 0);
}

bool by_coroutines() { return concur::run(wait_all()) == waits; }

bool by_a_pool() {
  concur::thread_pool pool(pool_threads);
  std::vector<concur::future<int>> all;
  for (int n = 0; n < waits; ++n) {
    all.push_back(pool.submit([] {
      concur::this_thread::sleep_for(one_wait);
      return 1;
    }));
  }
  int ended = 0;
  for (auto& each : all) ended += each.get();
  return ended == waits;
}

bool by_two_threads() {
  concur::thread one([] { concur::this_thread::sleep_for(short_wait); });
  concur::thread other([] { concur::this_thread::sleep_for(long_wait); });
  one.join();
  other.join();
  return true;
}

bench::cases const here = {
    bench::whole_work(twenty_waits, "concur", by_coroutines),
    bench::whole_work(twenty_waits, "concur_pool", by_a_pool),
    bench::whole_work(two_spiders, "concur", by_two_threads),
};

}  // namespace
