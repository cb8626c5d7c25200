// SPDX-License-Identifier: BSL-1.0
#include "../support/python.hpp"

#include "workload.hpp"

namespace {

// A process that crawls, and so one that starts, which takes some of the time: python_crawler.py prints how long the
// crawl itself took.
bench::one_case crawling_in_python(char const* row, char const* library, std::string const& way, int pages) {
  auto const run = [=](benchmark::State& state) {
    bench::on_second_cpu const pinned;
    try {
      auto const url = "http://127.0.0.1:" + std::to_string(bench::server_up("site").port());
      crawler::temporary_folder const folder;
      auto const elapsed = bench::time_in_python(BENCHMARK_PYTHON_CRAWLER,
                                                 way + ' ' + url + ' ' + std::to_string(pages) + ' ' +
                                                     std::to_string(crawler::concurrency) + ' ' + folder.path());
      crawler::check({url, folder.path(), pages});
      bench::report(state, elapsed / crawler::answers_of(pages));
    } catch (std::exception const& error) {
      state.SkipWithError(error.what());
    }
  };
  return {row, library, run, bench::timing::own};
}

bench::cases const here = {
    crawling_in_python(crawler::by_coroutines, "aiohttp", "asyncio", crawler::list_pages),
    crawling_in_python(crawler::by_coroutines, "requests_serial", "serial", 1),
    crawling_in_python(crawler::by_threads, "requests", "pool", crawler::list_pages),
};

}  // namespace
