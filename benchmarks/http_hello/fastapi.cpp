// SPDX-License-Identifier: BSL-1.0
#include "../support/fastapi_http.hpp"

#include "workload.hpp"

bench::cases const here = hello_with(bench::fastapi_http());
