// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/condition_variable.hpp>

bench::cases const here = notify_nobody_of<boost::condition_variable>("boost");
