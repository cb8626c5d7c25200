// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/file.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/event_loop.hpp>

namespace {

class with_coroutines {
 public:
  void write(std::string const& path, pieces& plan) { loop_.run(write_all(path, plan)); }
  void read(std::string const& path, pieces& plan) { loop_.run(read_all(path, plan)); }

 private:
  static concur::task<> write_all(std::string const& path, pieces& plan) {
    auto file = co_await concur::file::async_open(path, concur::open_options().write());
    while (!plan.all_written()) co_await file.async_write({plan.next(), pieces::size});
    co_await file.async_close();
  }
  static concur::task<> read_all(std::string const& path, pieces& plan) {
    auto file = co_await concur::file::async_open(path);
    while (auto const got = co_await file.async_read_some({plan.room(), plan.room_size()})) plan.add(got);
    co_await file.async_close();
  }

  concur::event_loop loop_;
};

bench::cases const here = transfers_with<with_coroutines>("concur");

}  // namespace
