// SPDX-License-Identifier: BSL-1.0
//
// Files while a call of the system fails.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/file.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using concur::file;
using concur::open_options;
using concur::run;
using concur::task;

task<> through_a_file(std::string path) {
  auto there = co_await file::async_open(path, open_options().read().write().create().truncate());
  co_await there.async_write("some words");
  co_await there.async_write_at(5, "text");
  co_await there.async_data_sync();
  co_await there.async_truncate(9);
  auto const size = co_await there.async_size();
  std::array<char, 16> space{};
  auto const count = co_await there.async_read_at(0, space);
  co_await there.async_sync();
  co_await there.async_close();
  if (size != 9 || std::string_view(space.data(), count) != "some text") throw std::logic_error("another content");
}

void through_a_file_in_a_thread(std::string const& path) {
  file there(path, open_options().read().write().create().truncate());
  there.write("some words");
  there.seek(0);
  std::array<char, 16> space{};
  auto const count = there.read(space);
  there.close();
  if (std::string_view(space.data(), count) != "some words") throw std::logic_error("another content");
}

}  // namespace

TEST_CASE("file: every call may fail, for coroutines and for threads") {
  support::temporary_directory const here;
  auto const path = here / "some.txt";
  auto const by_coroutines = support::failures_borne([&] { run(through_a_file(path)); });
  CHECK(by_coroutines > 50);
  auto const by_threads = support::failures_borne([&] { through_a_file_in_a_thread(path); });
  CHECK(by_threads > 30);
}
