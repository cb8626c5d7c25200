// SPDX-License-Identifier: BSL-1.0
#include <concur/io/whole_file.hpp>

#include "../support/catch.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/open_options.hpp>
#include <concur/loop/run.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

namespace {

using concur::open_options;
using concur::task;
using support::system_error_of;

}  // namespace

TEST_CASE("whole_file: what is written is read, whatever its size", "[whole_file]") {
  support::temporary_directory const here;
  auto const path = here / "f";
  for (std::size_t const size : {0u, 1u, 4095u, 4096u, 3'000'000u}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = char(i * 7);
    concur::write_file(path, text);
    CHECK(concur::read_file(path) == text);
    auto const copy = [&]() -> task<std::string> {
      auto const read = co_await concur::async_read_file(path);
      co_await concur::async_write_file(here / "copy", read);
      co_return co_await concur::async_read_file(here / "copy");
    };
    CHECK(concur::run(copy()) == text);
  }
  concur::write_file(path, "one");
  concur::write_file(path, ", two", open_options::for_appending());
  concur::run(concur::async_write_file(path, ", three", open_options::for_appending()));
  CHECK(concur::read_file(path) == "one, two, three");
}

TEST_CASE("whole_file: also one that does not tell its size", "[whole_file]") {
  CHECK(concur::read_file("/proc/self/cmdline").size() > 1);
  CHECK(concur::run(concur::async_read_file("/proc/self/maps")).size() > 4096);
}

TEST_CASE("whole_file: errors", "[whole_file]") {
  support::temporary_directory const here;
  CHECK(system_error_of([&] { static_cast<void>(concur::read_file(here / "none")); }) == ENOENT);
  CHECK(system_error_of([&] { concur::run(concur::async_read_file(here / "none")); }) == ENOENT);
  CHECK(system_error_of([&] { static_cast<void>(concur::read_file(here.path())); }) == EISDIR);
  CHECK(system_error_of([&] { concur::write_file("/dev/full", "x"); }) == ENOSPC);
  CHECK(system_error_of([&] { concur::run(concur::async_write_file("/dev/full", "x")); }) == ENOSPC);
}

TEST_CASE("whole_file: a cancel ends a read of what never ends", "[whole_file]") {
  auto const give_up = []() -> task<bool> {
    auto reading = concur::spawn(concur::async_read_file("/dev/zero"));
    for (int i = 0; i < 10; ++i) co_await concur::yield();
    reading.cancel();
    try {
      co_await std::move(reading);
    } catch (concur::cancelled const&) {
      co_return true;
    }
    co_return false;
  };
  CHECK(concur::run(give_up()));
}
