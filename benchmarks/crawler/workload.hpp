// SPDX-License-Identifier: BSL-1.0
//
// An image site on 127.0.0.1 that takes 50 ms for each answer is crawled: ten list pages with twenty images each, ten
// requests at a time, the images written to files. Counted is the time of an answer, that is of the whole crawl divided
// by the number of its answers: 5 ms if ten of them always wait, which is what `ideal` says, and 50 ms one after the
// other. The serial crawls, which would take ten times as long, stop after one list page.
//
// The site is the same for all, a process of its own on the first CPU; the crawlers run on the second one.
#pragma once

#include "../support/cases.hpp"
#include "../support/cpus.hpp"
#include "../support/server.hpp"
#include "../support/servers_up.hpp"

#include <stdlib.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crawler {

inline constexpr int list_pages = 10;
inline constexpr int images_of_a_page = 20;
inline constexpr int concurrency = 10;
inline constexpr auto thinking = std::chrono::milliseconds(50);
inline constexpr std::size_t image_size = 5000;

/// What is crawled: the first so many list pages.
struct job {
  std::string url;
  std::string folder;
  int pages;
};

inline int answers_of(int pages) { return pages * (1 + images_of_a_page); }

inline std::string list_page(int number) { return "/index_" + std::to_string(number) + ".html"; }

/// "/images/3/7.jpg" and so on.
inline std::vector<std::string> image_links(std::string_view page) {
  constexpr std::string_view before = "<img src=\"";
  std::vector<std::string> links;
  for (std::size_t at = page.find(before); at != page.npos; at = page.find(before, at)) {
    at += before.size();
    links.emplace_back(page.substr(at, page.find('"', at) - at));
  }
  return links;
}

inline std::string file_of(job const& what, std::string const& link) {
  auto const number = link.rfind('/');
  auto const page = link.rfind('/', number - 1);
  return what.folder + '/' + link.substr(page + 1, number - page - 1) + '-' + link.substr(number + 1);
}

/// A folder that goes with this object.
class temporary_folder {
 public:
  temporary_folder() : path_(std::filesystem::temp_directory_path() / "crawler.XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) bench::throw_errno("no folder " + path_);
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;

  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

inline void check(job const& what) {
  int files = 0;
  for (auto const& each : std::filesystem::directory_iterator(what.folder)) files += each.file_size() == image_size;
  if (files != what.pages * images_of_a_page) throw std::runtime_error("images are missing");
}

/// `crawl(job)` does it, from nothing (no client, no pool, no loop yet) to the last file.
template <class Crawl>
void measure(benchmark::State& state, int pages, Crawl crawl) {
  bench::on_second_cpu const pinned;
  try {
    auto const url = "http://127.0.0.1:" + std::to_string(bench::server_up("site").port());
    temporary_folder const folder;
    job const what{url, folder.path(), pages};
    auto const begin = std::chrono::steady_clock::now();
    crawl(what);
    std::chrono::duration<double> const elapsed = std::chrono::steady_clock::now() - begin;
    check(what);
    bench::report(state, elapsed / answers_of(pages));
  } catch (std::exception const& error) {
    state.SkipWithError(error.what());
  }
}

template <class Crawl>
bench::one_case crawling(char const* row, char const* library, int pages, Crawl crawl) {
  auto const run = [=](benchmark::State& state) { measure(state, pages, crawl); };
  return {row, library, run, bench::timing::own};
}

inline constexpr char const* by_coroutines = "crawler/ten_at_a_time";
inline constexpr char const* by_threads = "crawler/ten_at_a_time_threads";

}  // namespace crawler
