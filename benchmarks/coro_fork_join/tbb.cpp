// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <utility>

namespace {

class two_threads {
 public:
  template <class Root>
  auto run(Root root) {
    return arena_.execute(std::move(root));
  }
  /// The last one is called.
  template <class... Functions>
  void fork(Functions&&... functions) {
    oneapi::tbb::task_group group;
    std::size_t left = sizeof...(functions);
    ([&] { --left == 0 ? functions() : group.run(std::forward<Functions>(functions)); }(), ...);
    group.wait();
  }

 private:
  oneapi::tbb::global_control limit_{oneapi::tbb::global_control::max_allowed_parallelism, 2};
  oneapi::tbb::task_arena arena_{2};
};

bench::cases const here = trees_on<by_functions<two_threads>>("tbb_group");

}  // namespace
