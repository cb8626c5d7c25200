// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/condition_variable.hpp>
#include <boost/thread/lock_types.hpp>
#include <boost/thread/mutex.hpp>

using condition = condition_channel<boost::mutex, boost::condition_variable, boost::unique_lock<boost::mutex>>;

ping_pong_of<condition> const by_condition("condition", "boost");
