// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/pool/parallel_invoke.hpp>
#include <concur/pool/thread_pool.hpp>

#include <tuple>
#include <utility>
#include <vector>

namespace {

concur::task<long> fib_of(int n) {
  if (n < 2) co_return n;
  auto const [before, last] = co_await concur::gather(fib_of(n - 2), fib_of(n - 1));
  co_return before + last;
}

concur::task<long> sum_of(long first, long leaves) {
  if (leaves == 1) co_return first;
  std::vector<concur::task<long>> forks;
  forks.reserve(branches);
  long const each = leaves / branches;
  for (int branch = 0; branch < branches; ++branch) forks.push_back(sum_of(first + branch * each, each));
  auto const sums = co_await concur::gather(std::move(forks));
  long sum = 0;
  for (long const branch : sums) sum += branch;
  co_return sum;
}

class by_coroutines {
 public:
  long fib(int n) { return concur::spawn(pool_, fib_of(n)).get(); }
  long skynet(long first, long leaves) { return concur::spawn(pool_, sum_of(first, leaves)).get(); }

 private:
  concur::thread_pool pool_{2};
};

class two_workers {
 public:
  template <class Root>
  auto run(Root root) {
    return pool_.submit(std::move(root)).get();
  }
  template <class... Functions>
  void fork(Functions&&... functions) {
    concur::parallel_invoke(pool_, std::forward<Functions>(functions)...);
  }

 private:
  concur::thread_pool pool_{2};
};

bench::cases const coroutines = trees_on<by_coroutines>("concur");
bench::cases const functions = trees_on<by_functions<two_workers>>("concur_invoke");

}  // namespace
