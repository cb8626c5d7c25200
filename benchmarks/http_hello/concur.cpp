// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_http.hpp"

#include "workload.hpp"

bench::cases const here = hello_with(bench::concur_http());
