// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

#include "workload.hpp"

bench::cases const here = {
    bench::whole_work_in_python(twenty_waits, "python_serial", "twenty_waits", "serial"),
    bench::whole_work_in_python(twenty_waits, "python_pool", "twenty_waits", "pool"),
    bench::whole_work_in_python(twenty_waits, "asyncio", "twenty_waits", "asyncio"),
    bench::whole_work_in_python(two_spiders, "python_serial", "two_spiders", "serial"),
    bench::whole_work_in_python(two_spiders, "python_threads", "two_spiders", "threads"),
};
