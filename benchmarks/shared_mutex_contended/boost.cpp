// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/shared_mutex.hpp>

bench::cases const here = contention_of<boost::shared_mutex>("boost");
