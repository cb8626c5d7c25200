// SPDX-License-Identifier: BSL-1.0
//
// concur::thread_pool under the words of peer_pools.hpp.
#pragma once

#include <concur/pool/thread_pool.hpp>

#include <utility>

namespace bench {

class concur_pool {
 public:
  static constexpr bool waits_once = false;

  template <class Job>
  auto submit(Job job) {
    return pool_.submit(std::move(job));
  }
  template <class Jobs, class Range>
  auto submit_many(Jobs job, Range const& range) {
    return pool_.submit_many(std::move(job), range);
  }
  template <class Job>
  void post(Job job) {
    pool_.post(std::move(job));
  }
  template <class Job>
  void post_from_inside(Job job) {
    pool_.post(std::move(job));
  }
  void wait_for(long) { pool_.wait_idle(); }

 private:
  concur::thread_pool pool_{2};
};

}  // namespace bench
