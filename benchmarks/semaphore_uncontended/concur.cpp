// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/sync/mutex.hpp>
#include <concur/sync/semaphore.hpp>

// Our mutex under the names of a semaphore: what the target is stated against.
class mutex_as_semaphore {
 public:
  explicit mutex_as_semaphore(int) {}
  void acquire() { mutex_.lock(); }
  void release() { mutex_.unlock(); }

 private:
  concur::mutex mutex_;
};

bench::cases const here = acquire_and_release_of<concur::semaphore>("concur");
bench::cases const beside = acquire_and_release_of<mutex_as_semaphore>("concur_mutex");
