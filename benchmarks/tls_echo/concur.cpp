// SPDX-License-Identifier: BSL-1.0
#include "../support/concur_tls_echo.hpp"

#include "workload.hpp"

bench::cases const here = tls_echo_with(bench::concur_tls_echo());
