// SPDX-License-Identifier: BSL-1.0
//
// What the examples of the web print.
#include "example.hpp"

#include "../support/temporary_directory.hpp"

#include <filesystem>
#include <string>

namespace {

using support::lines;
using support::output_of;

}  // namespace

TEST_CASE("web/image_crawler: the same images serially, by a pool and by coroutines") {
  auto const printed = output_of("web/image_crawler");
  REQUIRE(printed.size() == 7);
  CHECK(lines(printed.begin(), printed.begin() + 3) ==
        lines{"serial: 40 images", "pool: 40 images", "coroutines: 40 images"});
  CHECK(printed[4].starts_with("serial "));
  CHECK(printed[5].starts_with("pool "));
  CHECK(printed[6].starts_with("coroutines "));
}

TEST_CASE("web/image_crawler: the images stay where they were wanted") {
  support::temporary_directory const here;
  static_cast<void>(output_of("web/image_crawler", {"--pages", "3-3", "--out", here.path(), "--concurrency", "3"}));
  for (char const* way : {"/serial/", "/pool/", "/coroutines/"}) {
    for (int i = 1; i <= 10; ++i) {
      CHECK(std::filesystem::exists(here.path() + way + "3-" + std::to_string(i) + ".jpg"));
    }
  }
}

TEST_CASE("web/image_crawler: what is not there is told, and spoils nothing else") {
  auto const result = support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler",
                                           {"--speed", "100", "--pages", "5-6", "--delay", "1"}, "");
  auto const printed = support::lines_of(result.output);
  INFO(result.output);
  CHECK(result.status == 1);
  REQUIRE(printed.size() == 10);
  for (int i : {0, 2, 4}) {
    CHECK(printed[std::size_t(i)].starts_with("left out: GET http://127.0.0.1:"));
    CHECK(printed[std::size_t(i)].ends_with("/index_6.html was answered with 404 Not Found"));
  }
  CHECK(printed[1] == "serial: 10 images");
  CHECK(printed[3] == "pool: 10 images");
  CHECK(printed[5] == "coroutines: 10 images");
}

TEST_CASE("web/image_crawler: a host that is not there, and a folder that cannot be made") {
  auto const nobody = support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler",
                                           {"--url", "http://127.0.0.1:1", "--pages", "2-2"}, "");
  CHECK(nobody.status == 1);
  CHECK(nobody.output.starts_with("left out: GET http://127.0.0.1:1/index_2.html ("));
  auto const nowhere = support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler", {"--out", "/proc/none"}, "");
  CHECK(nowhere.status == 1);
  CHECK(nowhere.errors.starts_with("cannot make the folder /proc/none/serial: "));
}
