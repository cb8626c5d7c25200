// SPDX-License-Identifier: BSL-1.0
//
// Files with concur: a coroutine on a loop, which has threads for what may take as long as a disk. With io_uring in
// files that are compiled with CONCUR_IO_URING=1.
#pragma once

#include "../file_throughput/workload.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/file.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/event_loop.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace bench::inline CONCUR_ABI {

class concur_files {
 public:
  concur_files() {
    if (CONCUR_IO_URING && loop_.backend() == std::string_view("epoll")) {
      throw std::runtime_error("skipped: no io_uring here");
    }
  }
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

}  // namespace bench::inline CONCUR_ABI
