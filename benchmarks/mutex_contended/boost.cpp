// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/mutex.hpp>

bench::cases const here = contention_of<boost::mutex>("boost");
