// SPDX-License-Identifier: BSL-1.0
//
// Pools of other libraries under the same words: `submit` returns a future, `post` does not, and `wait_for` returns
// when all has run that was posted, and with it so many jobs in the tally. Two workers; a third thread does all that.
#pragma once

#include "jobs.hpp"

#include <boost/asio/defer.hpp>
#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <chrono>
#include <future>
#include <thread>
#include <type_traits>
#include <utility>

namespace bench {

/// One of the two documented ways to a future.
class asio_pool {
 public:
  static constexpr bool waits_once = true;

  template <class Job>
  auto submit(Job job) {
    return boost::asio::post(pool_, std::packaged_task<std::invoke_result_t<Job&>()>(std::move(job)));
  }
  template <class Job>
  void post(Job job) {
    boost::asio::post(pool_, std::move(job));
  }
  /// In a job: what a worker defers goes to its own queue first, without a lock.
  template <class Job>
  void post_from_inside(Job job) {
    boost::asio::defer(pool_, std::move(job));
  }
  void wait_for(long) { pool_.join(); }

 protected:
  boost::asio::thread_pool pool_{2};
};

/// The other way.
class asio_use_future_pool : public asio_pool {
 public:
  template <class Job>
  auto submit(Job job) {
    return boost::asio::post(pool_, boost::asio::use_future(std::move(job)));
  }
};

/// So many workers, and an arena in which no place is kept for the thread that enqueues.
template <int Workers>
class basic_tbb_pool {
 public:
  static constexpr bool waits_once = false;

  template <class Job>
  auto submit(Job job) {
    promised<Job> task{std::move(job), {}};
    auto future = task.promise.get_future();
    arena_.enqueue(std::move(task));
    return future;
  }
  template <class Job>
  void post(Job job) {
    arena_.enqueue(std::move(job));
  }
  /// An arena cannot be waited for. Looking at the tally now and then costs the jobs nothing, as a counter that all of
  /// them share, or a task_group, would.
  void wait_for(long counted) {
    while (tally::sum() < counted) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

 private:
  // Jobs are called as constants.
  template <class Job>
  struct promised {
    using result = std::invoke_result_t<Job&>;
    Job job;
    mutable std::promise<result> promise;
    void operator()() const {
      if constexpr (std::is_void_v<result>) {
        job();
        promise.set_value();
      } else {
        promise.set_value(job());
      }
    }
  };

  oneapi::tbb::global_control limit_{oneapi::tbb::global_control::max_allowed_parallelism, Workers + 1};
  oneapi::tbb::task_arena arena_{Workers, 0};
};
using tbb_pool = basic_tbb_pool<2>;

/// As many threads as there are cores, the enqueuing one among them: what the library itself chooses here.
using tbb_default_pool = basic_tbb_pool<1>;

}  // namespace bench
