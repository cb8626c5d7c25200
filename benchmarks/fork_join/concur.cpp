// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/pool/parallel_invoke.hpp>
#include <concur/pool/thread_pool.hpp>

#include <utility>

namespace {

class two_workers {
 public:
  template <class Root>
  auto run(Root root) {
    return pool_.submit(std::move(root)).get();
  }
  template <class F, class G>
  void fork(F&& f, G&& g) {
    concur::parallel_invoke(pool_, std::forward<F>(f), std::forward<G>(g));
  }

 private:
  concur::thread_pool pool_{2};
};

bench::cases const here = recursions_on<two_workers>("concur");

}  // namespace
