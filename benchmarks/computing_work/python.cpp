// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

#include "workload.hpp"

bench::cases const here = {
    bench::whole_work_in_python(twenty_sums, "python_serial", "twenty_sums", "serial"),
    bench::whole_work_in_python(twenty_sums, "python_pool", "twenty_sums", "pool"),
    bench::whole_work_in_python(twenty_sums, "asyncio", "twenty_sums", "asyncio"),
    bench::whole_work_in_python(three_sums, "python_serial", "three_sums", "serial"),
    bench::whole_work_in_python(three_sums, "python_threads", "three_sums", "threads"),
};
