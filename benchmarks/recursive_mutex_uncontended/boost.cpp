// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/recursive_mutex.hpp>

bench::cases const here = uncontended_pairs_of<boost::recursive_mutex>("boost");
