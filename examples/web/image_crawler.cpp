// SPDX-License-Identifier: BSL-1.0
//
// R01: crawls an image site three times: one request after the other, by a pool of threads, and by coroutines on one
// thread. The files are the same each way; the time is not. Without --url it crawls a site of its own on 127.0.0.1.
// What cannot be had is one line each, and spoils nothing else.
#include "image_site.hpp"
#include "progress.hpp"
#include "times.hpp"
#include "tutorial.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <list>
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
  concur::client_options session = concur::client_options().connect_timeout(10s).timeout(60s);
};

std::string list_page(int number) { return "/index_" + std::to_string(number) + ".html"; }

// "/uploads/allimg/2/1.jpg" and so on.
std::vector<std::string> image_links(std::string const& page) {
  static std::regex const pattern("<img src=\"(/uploads/allimg/[^\"]+)\"");
  auto const text = web::converted(page, "GBK", "UTF-8");
  std::vector<std::string> links;
  for (std::sregex_iterator each(text.begin(), text.end(), pattern), end; each != end; ++each) {
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

// ---- one after the other, and by a pool: the same two steps, in blocking words

std::vector<std::string> links_of(concur::http_client& client, wishes const& wanted, int number, web::progress& told) {
  try {
    return image_links(client.get(wanted.url + list_page(number)).ensure_success().body());
  } catch (std::exception const& error) {
    told.left_out(wanted.url, list_page(number), error);
    return {};
  }
}

void save(concur::http_client& client, wishes const& wanted, std::string const& folder, std::string const& link,
          web::progress& told) {
  try {
    concur::write_file(folder + "/" + file_name(link), client.get(wanted.url + link).ensure_success().body());
    told.saved(file_name(link));
  } catch (std::exception const& error) {
    told.left_out(wanted.url, link, error);
  }
}

void serially(wishes const& wanted, std::string const& folder, web::progress& told) {
  concur::http_client client(wanted.session);
  for (int number = wanted.first_page; number <= wanted.last_page; ++number) {
    for (auto const& link : links_of(client, wanted, number, told)) save(client, wanted, folder, link, told);
  }
}

void by_a_pool(wishes const& wanted, std::string const& folder, web::progress& told) {
  concur::http_client client(wanted.session);
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
  crawler(wishes const& wanted, std::string const& folder, web::progress& told)
      : wanted_(wanted),
        folder_(folder),
        told_(told),
        client_(wanted.session),
        places_(std::size_t(wanted.concurrency)) {}

  concur::task<> run() {
    auto const all = [this](concur::task_group& group) -> concur::task<> {
      for (int number = wanted_.first_page; number <= wanted_.last_page; ++number) group.spawn(follow(group, number));
      co_return;
    };
    co_await concur::with_group(all);
  }

 private:
  concur::task<> follow(concur::task_group& group, int number) {
    try {
      auto const page = co_await fetch(list_page(number));
      for (auto const& link : image_links(page)) group.spawn(save(link));
    } catch (std::exception const& error) {
      told_.left_out(wanted_.url, list_page(number), error);
    }
  }

  concur::task<> save(std::string link) {
    try {
      auto const image = co_await fetch(link);
      co_await concur::async_write_file(folder_ + "/" + file_name(link), image);
      told_.saved(file_name(link));
    } catch (std::exception const& error) {
      told_.left_out(wanted_.url, link, error);
    }
  }

  concur::task<std::string> fetch(std::string path) {
    co_await places_.async_acquire();
    struct leaving {
      concur::semaphore& places;
      ~leaving() { places.release(); }
    } const on_every_way_out{places_};
    auto answer = co_await client_.async_get(wanted_.url + path);
    co_return std::move(answer).ensure_success().body();
  }

  wishes const& wanted_;
  std::string const& folder_;
  web::progress& told_;
  concur::http_client client_;
  concur::semaphore places_;
};

void by_coroutines(wishes const& wanted, std::string const& folder, web::progress& told) {
  crawler one(wanted, folder, told);
  concur::run(one.run());
}

struct way {
  char const* name;
  void (*crawl)(wishes const&, std::string const&, web::progress&);
};
constexpr way ways[] = {{"serial", serially}, {"pool", by_a_pool}, {"coroutines", by_coroutines}};

// ----

[[noreturn]] void refuse(std::string const& sentence, int status) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(status);
}

/// Makes a folder for each way, or ends the program.
void make_folders(std::string const& folder) {
  for (auto const& each : ways) {
    auto const place = folder + "/" + each.name;
    std::error_code error;
    std::filesystem::create_directories(place, error);
    if (!error && ::access(place.c_str(), W_OK | X_OK) != 0) error.assign(errno, std::generic_category());
    if (error) refuse("cannot write to the folder " + place + ": " + error.message(), 1);
  }
}

/// Whether the files that all crawls have are the same, and they have the same ones unless some were left out.
bool same_files(std::string const& folder, std::list<web::progress> const& crawls, bool complete) {
  auto const& first = crawls.front().files();
  for (auto const& each : crawls) {
    if (complete && each.files() != first) return false;
  }
  for (auto const& file : first) {
    auto const wanted = concur::read_file(folder + "/" + ways[0].name + "/" + file);
    auto crawl = crawls.begin();
    for (auto const& each : ways) {
      if (!(crawl++)->files().contains(file)) continue;
      if (concur::read_file(folder + "/" + each.name + "/" + file) != wanted) return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** words) {
  wishes wanted;
  std::string folder;
  std::string pages = "2-5";
  std::string delay = "50";
  std::string concurrency = "10";
  arguments(count, words, "Crawls an image site serially, by a thread pool, and by coroutines.", "",
            {{"--url", "URL", "the site to crawl, http://…; by default one of its own", &wanted.url},
             {"--pages", "A-B", "which list pages; by default 2-5", &pages},
             {"--out", "FOLDER", "where the images are to stay; by default they are removed", &folder},
             {"--concurrency", "N", "how many requests at a time; by default 10", &concurrency},
             {"--delay", "MS", "how long its own site thinks about an answer; by default 50", &delay}});
  int const numbers = std::sscanf(pages.c_str(), "%d-%d", &wanted.first_page, &wanted.last_page);
  if (numbers == 1) wanted.last_page = wanted.first_page;
  wanted.concurrency = std::atoi(concurrency.c_str());
  if (numbers < 1 || wanted.concurrency < 1 || wanted.first_page > wanted.last_page || std::atof(delay.c_str()) < 0) {
    refuse("These numbers make no sense: see --help.", 2);
  }
  bool const keeps = !folder.empty();
  if (!keeps) folder = std::filesystem::temp_directory_path() / ("crawler." + std::to_string(::getpid()));
  make_folders(folder);

  std::optional<web::image_site> own;
  if (wanted.url.empty()) {
    own.emplace(std::chrono::nanoseconds(std::int64_t(std::atof(delay.c_str()) * 1e6 / speed)));
    wanted.url = own->url();
    wanted.session.without_proxy();
  }
  while (wanted.url.ends_with('/')) wanted.url.pop_back();

  say("crawling ", wanted.url, ", pages ", wanted.first_page, " to ", wanted.last_page, ", up to ", wanted.concurrency,
      " requests at a time");
  web::times times;
  web::complaints complaints;
  std::list<web::progress> crawls;
  bool complete = true;
  for (auto const& each : ways) {
    auto& crawl = crawls.emplace_back(each.name, complaints);
    stopwatch watch;
    each.crawl(wanted, folder + "/" + each.name, crawl);
    times.add(each.name, watch.seconds());
    crawl.sum_up();
    complete = complete && crawl.left_out() == 0;
  }
  expect(same_files(folder, crawls, complete), "the files are the same each way");
  if (own && complete) {
    auto const number = (wanted.last_page - wanted.first_page + 1) * web::image_site::images_of_a_page;
    expect(int(crawls.front().files().size()) == number, "every image of the pages is there");
    auto const one = folder + "/serial/" + std::to_string(wanted.first_page) + "-1.jpg";
    expect(concur::read_file(one) == web::image_site::image(wanted.first_page, 1), "an image is what the site sent");
  }
  if (!keeps) std::filesystem::remove_all(folder);
  if (!crawls.front().files().empty()) say("the files are the same, byte by byte");
  times.print();
  return complete ? 0 : 1;
}
