// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_http.hpp"

#include "workload.hpp"

bench::cases const here = instructions_of(bench::concur_http());
