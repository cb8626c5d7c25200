// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/condition_variable.hpp>
#include <boost/thread/lock_types.hpp>
#include <boost/thread/mutex.hpp>

using with_condition = condition_gate<boost::mutex, boost::condition_variable, boost::unique_lock<boost::mutex>>;

bench::cases const here[] = {
    long_wait_for<mutex_gate<boost::mutex>>("mutex", "boost"),
    long_wait_for<with_condition>("condition", "boost"),
};
