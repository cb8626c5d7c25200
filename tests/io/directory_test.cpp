// SPDX-License-Identifier: BSL-1.0
#include <concur/io/directory.hpp>

#include "../support/catch.hpp"
#include "../support/refusals.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/whole_file.hpp>
#include <concur/loop/run.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace {

using concur::directory_entry;
using concur::file_kind;
using concur::task;
using support::system_error_of;

std::map<std::string, file_kind> by_name(std::vector<directory_entry> const& entries) {
  std::map<std::string, file_kind> all;
  for (auto const& each : entries) all.emplace(each.name, each.kind);
  return all;
}

std::vector<directory_entry> one_by_one(std::string const& path) {
  std::vector<directory_entry> all;
  auto const list = [&]() -> task<> {
    auto entries = concur::async_directory_entries(path);
    while (auto entry = co_await entries.next()) all.push_back(*entry);
  };
  concur::run(list());
  return all;
}

}  // namespace

TEST_CASE("directory: all that is in it, and what it is", "[directory]") {
  support::temporary_directory const here;
  CHECK(concur::list_directory(here.path()).empty());
  CHECK(one_by_one(here.path()).empty());
  concur::write_file(here / "file", "x");
  std::filesystem::create_directory(here / "directory");
  std::filesystem::create_symlink("nowhere", here / "link");
  REQUIRE(::mkfifo((here / "pipe").c_str(), 0600) == 0);
  std::map<std::string, file_kind> const expected = {{"file", file_kind::regular},
                                                     {"directory", file_kind::directory},
                                                     {"link", file_kind::symbolic_link},
                                                     {"pipe", file_kind::other}};
  CHECK(by_name(concur::list_directory(here.path())) == expected);
  CHECK(by_name(concur::run(concur::async_list_directory(here.path()))) == expected);
  CHECK(by_name(one_by_one(here.path())) == expected);
}

TEST_CASE("directory: a large one comes whole", "[directory]") {
  support::temporary_directory const here;
  for (int i = 0; i < 600; ++i) concur::write_file(here / std::to_string(i), "");
  CHECK(by_name(concur::list_directory(here.path())).size() == 600);
  auto const each = one_by_one(here.path());
  CHECK(each.size() == 600);
  CHECK(by_name(each).size() == 600);
}

TEST_CASE("directory: errors name the path", "[directory]") {
  CHECK(system_error_of([] { static_cast<void>(concur::list_directory("/nowhere")); }) == ENOENT);
  CHECK(system_error_of([] { concur::run(concur::async_list_directory("/etc/passwd")); }) == ENOTDIR);
  CHECK(system_error_of([] { one_by_one("/nowhere"); }) == ENOENT);
  CHECK_THROWS_AS(concur::list_directory(std::string("a\0b", 3)), std::invalid_argument);
  try {
    static_cast<void>(concur::list_directory("/nowhere"));
  } catch (std::system_error const& error) {
    CHECK(std::string(error.what()).starts_with("listing '/nowhere'"));
  }
}
