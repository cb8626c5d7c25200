// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>
#include <concur/thread/thread.hpp>

#include <array>
#include <numeric>
#include <vector>

namespace {

concur::task<long> sum_one() { co_return sum_to(numbers_of_twenty); }

concur::task<long> sum_all() {
  std::vector<concur::task<long>> all;
  for (int n = 0; n < sums; ++n) all.push_back(sum_one());
  auto const results = co_await concur::gather(std::move(all));
  co_return std::accumulate(results.begin(), results.end(), 0L);
}

constexpr long all_twenty = sums * right_sum(numbers_of_twenty);

bool by_coroutines_on_a_pool() {
  concur::thread_pool pool(pool_workers);
  return concur::spawn(pool, sum_all()).get() == all_twenty;
}

bool by_coroutines_on_one_thread() { return concur::run(sum_all()) == all_twenty; }

bool by_a_pool() {
  concur::thread_pool pool(pool_workers);
  std::vector<concur::future<long>> all;
  for (int n = 0; n < sums; ++n) all.push_back(pool.submit(sum_to, numbers_of_twenty));
  long total = 0;
  for (auto& each : all) total += each.get();
  return total == all_twenty;
}

bool by_three_threads() {
  std::array<long, 3> results{};
  {
    std::vector<concur::thread> threads;
    for (long& result : results) threads.emplace_back([&result] { result = sum_to(numbers_of_three); });
  }  // joined here
  return std::accumulate(results.begin(), results.end(), 0L) == 3 * right_sum(numbers_of_three);
}

bench::cases const here = {
    bench::whole_work(twenty_sums, "concur", by_coroutines_on_a_pool),
    bench::whole_work(twenty_sums, "concur_loop", by_coroutines_on_one_thread),
    bench::whole_work(twenty_sums, "concur_pool", by_a_pool),
    bench::whole_work(three_sums, "concur", by_three_threads),
};

}  // namespace
