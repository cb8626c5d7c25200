// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

#include "workload.hpp"

namespace {

// In the words of python_work.py. The site's address is known when it is up.
bench::one_case fetching(char const* library, std::string const& way) {
  auto const run = [way](benchmark::State& state) {
    bench::on_both_cpus const pinned;
    try {
      bench::run_in_python(state, BENCHMARK_PYTHON_WORK, "nine_fetches " + way + ' ' + site_url());
    } catch (std::exception const& error) {
      state.SkipWithError(error.what());
    }
  };
  return {nine_fetches, library, run, bench::timing::own};
}

bench::cases const here = {
    fetching("python_serial", "serial"),
    fetching("python_pool", "pool"),
    fetching("asyncio", "asyncio"),
};

}  // namespace
