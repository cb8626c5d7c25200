// SPDX-License-Identifier: BSL-1.0
//
// The library has two ways to fork: parallel_invoke, and a task_group in which one of two is run, the other called.
#include "workload.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_invoke.h>
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

 private:
  oneapi::tbb::global_control limit_{oneapi::tbb::global_control::max_allowed_parallelism, 2};
  oneapi::tbb::task_arena arena_{2};
};

struct with_invoke : two_threads {
  template <class F, class G>
  void fork(F&& f, G&& g) {
    oneapi::tbb::parallel_invoke(std::forward<F>(f), std::forward<G>(g));
  }
};

struct with_group : two_threads {
  template <class F, class G>
  void fork(F&& f, G&& g) {
    oneapi::tbb::task_group group;
    group.run(std::forward<F>(f));
    g();
    group.wait();
  }
};

bench::cases const invoke = recursions_on<with_invoke>("tbb");
bench::cases const group = recursions_on<with_group>("tbb_group");

}  // namespace
