// SPDX-License-Identifier: BSL-1.0
//
// What the examples of the web print.
#include "example.hpp"

#include "../http/scripted_server.hpp"
#include "../support/temporary_directory.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using support::lines;
using support::output_of;

}  // namespace

TEST_CASE("web/downloads: T09, three films are on disk each way") {
  support::temporary_directory const here;
  auto const printed = output_of("web/downloads", {"--out", here.path()});
  REQUIRE(printed.size() == 21);
  CHECK(lines(printed.begin(), printed.begin() + 4) ==
        lines{"-- one after the other", "film 3 is on disk", "film 2 is on disk", "film 1 is on disk"});
  std::size_t at = 4;
  for (char const* way : {"three threads", "three coroutines, one session", "coroutines, blocking client"}) {
    CHECK(printed[at] == "-- " + std::string(way));
    CHECK(support::as_set(printed, at + 1, at + 4) ==
          support::each(1, 3, [](auto n) { return "film " + n + " is on disk"; }));
    at += 4;
    CHECK(printed[16 + at / 4].starts_with(way));  // in the table
    for (char const* film : {"/1.mp4", "/2.mp4", "/3.mp4"}) {
      CHECK(std::filesystem::exists(here.path() + "/" + way + film));
    }
  }
}

TEST_CASE("web/page_fetcher: R02, results as they come, and a dead host is one of them") {
  auto const printed = output_of("web/page_fetcher");
  REQUIRE(printed.size() == 6);
  support::set_of_lines others;
  for (std::size_t i = 0; i < 4; ++i) others.insert(printed[i].substr(printed[i].find(": ")));
  CHECK(others == support::set_of_lines{": no connection to the host", ": 404 Not Found, 10 bytes",
                                        ": 200 OK, 1000 bytes", ": 200 OK, 2000 bytes"});
  CHECK(printed[4].ends_with("/: 200 OK, 3000 bytes"));
  CHECK(printed[5].starts_with("all after "));
}

TEST_CASE("web/page_fetcher: a site that says nothing, and one that breaks off, are a line each") {
  support::scripted_server server([](support::seen_request const& asked) {
    if (asked.target == "/late") return support::scripted("", support::then::stall);
    if (asked.target == "/cut") {
      return support::scripted("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", support::then::close);
    }
    return support::answer_of("fine");
  });
  auto const result = support::run_program(
      CONCUR_EXAMPLES_DIR "/web/page_fetcher",
      {"--limit", "2", server.url("/late"), server.url("/cut"), server.url("/good"), "http://127.0.0.1:1/"});
  INFO(result.output << result.errors);
  CHECK(result.status == 1);
  auto const printed = support::lines_of(result.output);
  CHECK(support::as_set(printed) ==
        support::set_of_lines{server.url("/late: the time limit has passed"), server.url("/cut: the answer is cut off"),
                              server.url("/good: 200 OK, 4 bytes"), "http://127.0.0.1:1/: no connection to the host"});
  CHECK(printed.back() == server.url("/late: the time limit has passed"));
}

TEST_CASE("web/nine_fetches: C14, the same link texts serially, by a pool and by coroutines") {
  auto const printed = output_of("web/nine_fetches");
  REQUIRE(printed.size() == 34);
  CHECK(printed[0] == "-- one after the other");
  for (std::size_t i = 1; i <= 9; ++i) CHECK(printed[i].starts_with("page " + std::to_string(i) + ": 200, "));
  CHECK(printed[2] == "page 2: 200, futures 2, pools 2, coroutines 2");
  CHECK(printed[10] == "-- thread pool");
  CHECK(support::as_set(printed, 11, 20) == support::as_set(printed, 1, 10));
  CHECK(printed[20] == "-- coroutines");
  CHECK(support::as_set(printed, 21, 30) == support::as_set(printed, 1, 10));
  CHECK(printed[31].starts_with("one after the other "));
  CHECK(printed[32].starts_with("thread pool "));
  CHECK(printed[33].starts_with("coroutines "));
}

TEST_CASE("web/image_crawler: R01, the same images serially, by a pool and by coroutines") {
  auto const printed = output_of("web/image_crawler");
  REQUIRE(printed.size() == 21);
  CHECK(printed[0].starts_with("crawling http://127.0.0.1:"));
  CHECK(printed[0].ends_with(", pages 2 to 5, up to 10 requests at a time"));
  std::size_t at = 1;
  for (std::string const way : {"serial", "pool", "coroutines"}) {
    for (char const* number : {"10", "20", "30", "40"}) CHECK(printed[at++] == way + ": " + number + " images so far");
    CHECK(printed[at++] == way + ": 40 images");
    CHECK(printed[17 + at / 5].starts_with(way + " "));  // in the table
  }
  CHECK(printed[16] == "the files are the same, byte by byte");
}

TEST_CASE("web/image_crawler: the images stay where they were wanted, beside older ones") {
  support::temporary_directory const here;
  static_cast<void>(output_of("web/image_crawler", {"--pages", "2", "--out", here.path(), "--delay", "1"}));
  static_cast<void>(output_of("web/image_crawler", {"--pages", "3-3", "--out", here.path(), "--concurrency", "3"}));
  for (std::string const way : {"/serial/", "/pool/", "/coroutines/"}) {
    for (int i = 1; i <= 10; ++i) {
      CHECK(std::filesystem::exists(here.path() + way + "2-" + std::to_string(i) + ".jpg"));
      CHECK(std::filesystem::exists(here.path() + way + "3-" + std::to_string(i) + ".jpg"));
    }
  }
}

namespace {

lines lines_of_a_crawl(std::vector<std::string> arguments, int status) {
  arguments.insert(arguments.begin(), {"--speed", "100"});
  auto const result = support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler", arguments);
  INFO(result.output << result.errors);
  CHECK(result.status == status);
  CHECK(result.errors.empty());
  return support::lines_of(result.output);
}

}  // namespace

TEST_CASE("web/image_crawler: what is not there is told once, and spoils nothing else") {
  auto const printed = lines_of_a_crawl({"--pages", "5-6", "--delay", "1"}, 1);
  REQUIRE(printed.size() == 13);
  auto const missing = support::position(printed, "left out: ");
  REQUIRE(missing < 4);
  CHECK(printed[missing].starts_with("left out: GET http://127.0.0.1:"));
  CHECK(printed[missing].ends_with("/index_6.html was answered with 404 Not Found"));
  for (char const* way : {"serial", "pool", "coroutines"}) {
    CHECK(support::position(printed, std::string(way) + ": 10 images, 1 left out") < 8);
  }
  CHECK(printed[8] == "the files are the same, byte by byte");
}

TEST_CASE("web/image_crawler: an image that is cut off, one that is not there, and a page that is not GBK") {
  support::scripted_server server([](support::seen_request const& asked) {
    if (asked.target == "/index_1.html") {
      return support::answer_of(
          "<img src=\"/uploads/allimg/1/cut.jpg\"><img src=\"/uploads/allimg/1/none.jpg\">"
          "<img src=\"/uploads/allimg/1/good.jpg\">");
    }
    if (asked.target == "/index_2.html") return support::answer_of("\xff\xff");
    if (asked.target.ends_with("good.jpg")) return support::answer_of("a picture");
    if (asked.target.ends_with("none.jpg")) return support::answer_of("", {}, "404 Not Found");
    return support::scripted("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", support::then::close);
  });
  support::temporary_directory const here;
  auto const printed = lines_of_a_crawl({"--url", server.url("/"), "--pages", "1-2", "--out", here.path()}, 1);
  auto const at = [&](std::string const& line) { return std::count(printed.begin(), printed.end(), line); };
  CHECK(at("left out: " + server.url("/uploads/allimg/1/cut.jpg: the answer is cut off")) == 1);
  CHECK(at("left out: GET " + server.url("/uploads/allimg/1/none.jpg was answered with 404 Not Found")) == 1);
  CHECK(at("left out: " + server.url("/index_2.html: this text is not GBK")) == 1);
  for (std::string const way : {"serial", "pool", "coroutines"}) {
    CHECK(at(way + ": 1 images, 3 left out") == 1);
    CHECK(support::read_file(here.path() + "/" + way + "/1-good.jpg") == "a picture");
    CHECK_FALSE(std::filesystem::exists(here.path() + "/" + way + "/1-cut.jpg"));
  }
}

TEST_CASE("web/image_crawler: a host that is not there is one line, whatever is wanted of it") {
  auto const printed = lines_of_a_crawl({"--url", "http://127.0.0.1:1", "--pages", "2-9"}, 1);
  REQUIRE(printed.size() == 9);
  CHECK(printed[1] == "left out: http://127.0.0.1:1: no connection to the host");
  CHECK(printed[2] == "serial: 0 images, 8 left out");
}

TEST_CASE("web/image_crawler: a folder that cannot be written to, and numbers that make no sense") {
  auto const nowhere = support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler", {"--out", "/proc/none"}, "");
  CHECK(nowhere.status == 1);
  CHECK(nowhere.output.empty());
  CHECK(nowhere.errors == "cannot write to the folder /proc/none/serial: No such file or directory\n");
  for (auto const& wrong : {std::vector<std::string>{"--pages", "all"}, {"--pages", "5-2"}, {"--concurrency", "0"}}) {
    CHECK(support::run_program(CONCUR_EXAMPLES_DIR "/web/image_crawler", wrong, "").status == 2);
  }
}
