// SPDX-License-Identifier: BSL-1.0
//
// T09: three films, of which the site sends one after 3 seconds, one after 2, one after 1. Downloaded one after the
// other they take the sum; by three threads, by three coroutines over one session, and by coroutines that have a pool
// call a client that blocks, they take as long as the slowest.
#include "local_site.hpp"
#include "times.hpp"
#include "tutorial.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace tutorial;

std::vector<int> const films = {3, 2, 1};  // the seconds that they take

std::string film(int seconds) { return web::noise(std::size_t(100'000 * seconds), 1); }

concur::http_router cinema() {
  concur::http_router router;
  router.get("/film/{seconds}", [](concur::http_request& asked) -> concur::task<concur::http_response> {
    int const seconds = std::stoi(asked.param("seconds"));
    co_await concur::sleep_for(seconds * 1s / speed);
    co_return concur::http_response::of_type("video/mp4", film(seconds));
  });
  return router;
}

/// What one download has to know.
struct errand {
  concur::http_client& client;
  std::string url;
  std::string file;
  std::string name;
};

void download(errand const& one) {
  one.client.download(one.url, one.file).ensure_success();
  say(one.name, " is on disk");
}

// ---- the four ways

void one_after_the_other(std::vector<errand> const& errands) {
  for (auto const& each : errands) download(each);
}

void by_threads(std::vector<errand> const& errands) {
  std::vector<concur::thread> threads;
  for (auto const& each : errands) threads.emplace_back(download, each);
}  // joined here

concur::task<> async_download(errand const& one) {
  auto const answer = co_await one.client.async_download(one.url, one.file);
  answer.ensure_success();
  say(one.name, " is on disk");
}

concur::task<> all_at_once(std::vector<errand> const& errands) {
  std::vector<concur::task<>> tasks;
  for (auto const& each : errands) tasks.push_back(async_download(each));
  co_await concur::gather(std::move(tasks));
}

void by_coroutines(std::vector<errand> const& errands) { concur::run(all_at_once(errands)); }

// A client library that knows nothing of coroutines is used like this.
concur::task<> download_on(concur::thread_pool& pool, errand const& one) {
  auto job = pool.submit(download, one);
  co_await job;
}

concur::task<> all_on_a_pool(std::vector<errand> const& errands) {
  concur::thread_pool pool(errands.size());
  std::vector<concur::task<>> tasks;
  for (auto const& each : errands) tasks.push_back(download_on(pool, each));
  co_await concur::gather(std::move(tasks));
}

void by_coroutines_on_a_pool(std::vector<errand> const& errands) { concur::run(all_on_a_pool(errands)); }

}  // namespace

int main(int count, char** words) {
  std::string folder;
  arguments(count, words, "Downloads three films one after the other, by threads, and by coroutines.", "",
            {{"--out", "FOLDER", "where the films are to stay; by default they are removed", &folder}});
  bool const keeps = !folder.empty();
  if (!keeps) folder = std::filesystem::temp_directory_path() / ("films." + std::to_string(::getpid()));

  struct way {
    char const* name;
    void (*run)(std::vector<errand> const&);
    int at_a_time;
    double least;
  };
  std::vector<way> const ways = {{"one after the other", one_after_the_other, 1, 6},
                                 {"three threads", by_threads, 3, 3},
                                 {"three coroutines, one session", by_coroutines, 3, 3},
                                 {"coroutines, blocking client", by_coroutines_on_a_pool, 3, 3}};
  web::times times;
  for (auto const& each : ways) {
    say("-- ", each.name);
    auto const place = folder + "/" + each.name;
    std::filesystem::create_directories(place);
    web::local_site const site(cinema(), each.at_a_time);
    concur::http_client client(concur::client_options().without_proxy());
    std::vector<errand> errands;
    for (int const seconds : films) {
      auto const number = std::to_string(seconds);
      errands.push_back({client, site.url() + "/film/" + number, place + "/" + number + ".mp4", "film " + number});
    }
    stopwatch watch;
    each.run(errands);
    times.add(each.name, watch.seconds());
    for (std::size_t i = 0; i < films.size(); ++i) {
      expect(concur::read_file(errands[i].file) == film(films[i]), "each film is on disk, as the site has it");
    }
    expect(times.of(each.name) >= each.least, "no film comes before its time");
    expect(speed > 1 || times.of(each.name) < each.least + 2, "it takes no longer than it has to");
  }
  if (!keeps) std::filesystem::remove_all(folder);
  times.print();
}
