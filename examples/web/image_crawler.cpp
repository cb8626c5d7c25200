// SPDX-License-Identifier: BSL-1.0
//
// Crawls an image site three times: one request after the other, by a thread pool, and by coroutines on one thread. The
// files are the same each way; the time is not. Without --url it crawls a site of its own on 127.0.0.1.
#include "../tutorial.hpp"
#include "image_site.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace tutorial;

struct wishes {
  std::string url;
  int first_page = web::image_site::first_page;
  int last_page = web::image_site::last_page;
  int concurrency = 10;
};

// "/uploads/allimg/2/1.jpg" and so on.
std::vector<std::string> image_links(std::string const& page) {
  static std::regex const pattern("<img src=\"(/uploads/allimg/[^\"]+)\"");
  std::vector<std::string> links;
  for (std::sregex_iterator each(page.begin(), page.end(), pattern), end; each != end; ++each) {
    links.push_back((*each)[1]);
  }
  return links;
}

// "2-1.jpg".
std::string file_name(std::string const& link) {
  auto const number = link.rfind('/');
  auto const page = link.rfind('/', number - 1);
  return link.substr(page + 1, number - page - 1) + "-" + link.substr(number + 1);
}

// Tells how far it has come, on a terminal; and what went wrong, which spoils nothing else.
class progress {
 public:
  void one_more() {
    int const now = ++done_;
    if (::isatty(STDERR_FILENO)) std::fprintf(stderr, "\r%d", now);
  }
  void failed(std::string const& what, std::exception const& error) {
    ++failures_;
    std::string const text = error.what();
    say("left out: ", text.find(what) == text.npos ? what + ": " : "", text);
  }
  int done() const { return done_; }
  int failures() const { return failures_; }
  ~progress() {
    if (::isatty(STDERR_FILENO)) std::fputs("\r          \r", stderr);
  }

 private:
  std::atomic<int> done_{0};
  std::atomic<int> failures_{0};
};

// ---- one after the other, and by a pool: the same two steps, in blocking words

std::vector<std::string> links_of(concur::http_client& client, wishes const& wanted, int number, progress& told) {
  auto const url = wanted.url + "/index_" + std::to_string(number) + ".html";
  try {
    auto const page = web::converted(client.get(url).ensure_success().body(), "GBK", "UTF-8");
    return image_links(page);
  } catch (std::exception const& error) {
    told.failed(url, error);
    return {};
  }
}

void save(concur::http_client& client, wishes const& wanted, std::string const& folder, std::string const& link,
          progress& told) {
  try {
    concur::write_file(folder + "/" + file_name(link), client.get(wanted.url + link).ensure_success().body());
    told.one_more();
  } catch (std::exception const& error) {
    told.failed(link, error);
  }
}

void serially(wishes const& wanted, std::string const& folder, progress& told) {
  concur::http_client client;
  for (int number = wanted.first_page; number <= wanted.last_page; ++number) {
    for (auto const& link : links_of(client, wanted, number, told)) save(client, wanted, folder, link, told);
  }
}

void by_a_pool(wishes const& wanted, std::string const& folder, progress& told) {
  concur::http_client client;
  concur::thread_pool pool(std::size_t(wanted.concurrency));
  for (int number = wanted.first_page; number <= wanted.last_page; ++number) {
    pool.post([&, number] {
      for (auto const& link : links_of(client, wanted, number, told)) {
        pool.post([&, link] { save(client, wanted, folder, link, told); });
      }
    });
  }
  pool.wait_idle();
}

// ---- by coroutines: a task for each page and each image, so many of them at a time

class crawler {
 public:
  crawler(wishes const& wanted, std::string const& folder, progress& told)
      : wanted_(wanted), folder_(folder), told_(told), places_(std::size_t(wanted.concurrency)) {}

  concur::task<> run() {
    auto const all = [this](concur::task_group& group) -> concur::task<> {
      for (int number = wanted_.first_page; number <= wanted_.last_page; ++number) {
        group.spawn(follow(group, wanted_.url + "/index_" + std::to_string(number) + ".html"));
      }
      co_return;
    };
    co_await concur::with_group(all);
  }

 private:
  concur::task<> follow(concur::task_group& group, std::string url) {
    try {
      auto const page = co_await fetch(url);
      for (auto const& link : image_links(web::converted(page, "GBK", "UTF-8"))) group.spawn(save(link));
    } catch (std::exception const& error) {
      told_.failed(url, error);
    }
  }

  concur::task<> save(std::string link) {
    try {
      auto const image = co_await fetch(wanted_.url + link);
      co_await concur::async_write_file(folder_ + "/" + file_name(link), image);
      told_.one_more();
    } catch (std::exception const& error) {
      told_.failed(link, error);
    }
  }

  concur::task<std::string> fetch(std::string url) {
    co_await places_.async_acquire();
    struct leaving {
      concur::semaphore& places;
      ~leaving() { places.release(); }
    } const on_every_way_out{places_};
    auto answer = co_await client_.async_get(url);
    co_return std::move(answer).ensure_success().body();
  }

  wishes const& wanted_;
  std::string const& folder_;
  progress& told_;
  concur::http_client client_;
  concur::semaphore places_;
};

void by_coroutines(wishes const& wanted, std::string const& folder, progress& told) {
  crawler one(wanted, folder, told);
  concur::run(one.run());
}

// ----

using files = std::map<std::string, std::string>;

files content_of(std::string const& folder) {
  files all;
  for (auto const& entry : concur::list_directory(folder))
    all[entry.name] = concur::read_file(folder + "/" + entry.name);
  return all;
}

}  // namespace

int main(int count, char** words) {
  wishes wanted;
  std::string folder;
  std::string pages;
  std::string delay = "50";
  std::string concurrency = "10";
  arguments(count, words, "Crawls an image site serially, by a thread pool, and by coroutines.", "",
            {{"--url", "URL", "the site to crawl, http://…; by default one of its own", &wanted.url},
             {"--pages", "A-B", "which list pages; by default 2-5", &pages},
             {"--out", "FOLDER", "where the images are to stay; by default they are removed", &folder},
             {"--concurrency", "N", "how many requests at a time; by default 10", &concurrency},
             {"--delay", "MS", "how long its own site thinks about an answer; by default 50", &delay}});
  wanted.concurrency = std::atoi(concurrency.c_str());
  if (!pages.empty() && std::sscanf(pages.c_str(), "%d-%d", &wanted.first_page, &wanted.last_page) != 2) {
    wanted.last_page = wanted.first_page;
  }
  if (wanted.concurrency < 1 || wanted.first_page > wanted.last_page || std::atof(delay.c_str()) < 0) {
    std::fputs("These numbers make no sense: see --help.\n", stderr);
    return 2;
  }

  std::optional<web::image_site> own;
  bool const is_own = wanted.url.empty();
  if (is_own) {
    own.emplace(std::chrono::nanoseconds(std::int64_t(std::atof(delay.c_str()) * 1e6 / speed)));
    wanted.url = own->url();
  }
  bool const keeps = !folder.empty();
  if (!keeps) folder = std::filesystem::temp_directory_path() / ("crawler." + std::to_string(::getpid()));

  struct way {
    char const* name;
    std::function<void(wishes const&, std::string const&, progress&)> crawl;
  };
  std::vector<way> const ways = {{"serial", serially}, {"pool", by_a_pool}, {"coroutines", by_coroutines}};
  std::vector<double> times;
  std::vector<files> results;
  int failures = 0;
  for (auto const& each : ways) {
    auto const place = folder + "/" + each.name;
    std::error_code error;
    std::filesystem::create_directories(place, error);
    if (error) {
      std::fprintf(stderr, "cannot make the folder %s: %s\n", place.c_str(), error.message().c_str());
      return 1;
    }
    progress told;
    stopwatch watch;
    each.crawl(wanted, place, told);
    times.push_back(watch.seconds());
    results.push_back(content_of(place));
    failures += told.failures();
    say(each.name, ": ", told.done(), " images");
  }
  if (!keeps) std::filesystem::remove_all(folder);

  say("");
  for (std::size_t i = 0; i < ways.size(); ++i) {
    std::string name = ways[i].name;
    name.resize(12, ' ');
    say(name, times[i], " s, ", times[0] / times[i], " times as fast as one after the other");
  }
  expect(results[0] == results[1] && results[1] == results[2], "the files are the same each way");
  if (is_own) {
    int const pages_there = wanted.last_page - wanted.first_page + 1;
    expect(failures != 0 || int(results[0].size()) == pages_there * web::image_site::images_of_a_page,
           "every image of the pages is there");
    expect(failures != 0 || results[0].begin()->second == web::image_site::image(wanted.first_page, 1),
           "an image is what the site sent");
  }
  return failures == 0 ? 0 : 1;
}
