// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <boost/thread/thread.hpp>

bench::cases const here = creation_of<boost::thread>("boost");
