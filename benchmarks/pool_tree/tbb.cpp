// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

namespace {

/// A task_group and two threads that run its jobs; one of them is the thread that waits.
class group {
 public:
  static constexpr bool waits_once = false;

  void post(node<group> root) { root_ = root; }
  void post_from_inside(node<group> job) { group_->run(job); }
  void wait_for(long) {
    arena_.execute([this] {
      oneapi::tbb::task_group all;
      group_ = &all;
      all.run(root_);
      all.wait();
    });
  }

 private:
  oneapi::tbb::global_control limit_{oneapi::tbb::global_control::max_allowed_parallelism, 2};
  oneapi::tbb::task_arena arena_{2};
  node<group> root_{};
  oneapi::tbb::task_group* group_ = nullptr;
};

bench::cases const here = growing_in<group>("tbb");

}  // namespace
