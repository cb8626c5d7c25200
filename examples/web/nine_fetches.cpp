// SPDX-License-Identifier: BSL-1.0
//
// C14: the same nine fetches one after the other, by a pool of threads, and by coroutines. Each tells the status and
// the texts of the links that it found. What every request has to say is said once, to the session.
#include "local_site.hpp"
#include "times.hpp"
#include "tutorial.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <array>
#include <cstddef>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace tutorial;

constexpr int pages = 9;
constexpr auto delay = 240ms;
constexpr auto agent = "nine-fetches/1.0";
std::array<std::string, 6> const subjects = {"threads", "queues", "futures", "pools", "coroutines", "loops"};

/// Three links a page; and whoever does not say who it is, and in which language it reads, is sent away.
concur::http_router site_of_nine() {
  concur::http_router router;
  router.get("/{page}", [](concur::http_request& asked) -> concur::task<concur::http_response> {
    co_await concur::sleep_for(delay / speed);
    if (asked.header("User-Agent") != agent || asked.header("Accept-Language") != "en") {
      throw concur::http_exception(403, "who are you?");
    }
    auto const page = asked.param("page");
    std::string text = "<html><body>\n";
    for (std::size_t i = 0; i < 3; ++i) {
      auto const& subject = subjects[(std::stoul(page) + i) % subjects.size()];
      text += "<p><a class=\"next\" href=\"/" + subject + "/" + page + "\">" + subject + " " + page + "</a>\n";
    }
    co_return concur::http_response::html(text + "</body></html>\n");
  });
  return router;
}

concur::client_options session() {
  return concur::client_options().header("User-Agent", agent).header("Accept-Language", "en").without_proxy();
}

/// "page 4: 200, coroutines 4, loops 4, threads 4".
std::string report(int page, concur::client_response const& answer) {
  static std::regex const link("<a [^>]*>([^<]*)</a>");
  std::string line = "page " + std::to_string(page) + ": " + std::to_string(answer.status());
  for (std::sregex_iterator each(answer.body().begin(), answer.body().end(), link), end; each != end; ++each) {
    line += ", " + (*each)[1].str();
  }
  say(line);
  return line;
}

using reports = std::vector<std::string>;  // in the order of the pages

std::string address(std::string const& site, int page) { return site + "/" + std::to_string(page); }

// ---- the three ways

reports one_after_the_other(std::string const& site) {
  concur::http_client client(session());
  reports all;
  for (int page = 1; page <= pages; ++page) all.push_back(report(page, client.get(address(site, page))));
  return all;
}

reports by_a_pool(std::string const& site) {
  concur::http_client client(session());
  concur::thread_pool pool(pages);
  std::vector<concur::future<std::string>> fetches;
  for (int page = 1; page <= pages; ++page) {
    fetches.push_back(pool.submit([&, page] { return report(page, client.get(address(site, page))); }));
  }
  return concur::gather(std::move(fetches)).get();
}

concur::task<std::string> fetch(concur::http_client& client, std::string const& site, int page) {
  auto const answer = co_await client.async_get(address(site, page));
  co_return report(page, answer);
}

concur::task<reports> all_at_once(std::string const& site) {
  concur::http_client client(session());
  std::vector<concur::task<std::string>> fetches;
  for (int page = 1; page <= pages; ++page) fetches.push_back(fetch(client, site, page));
  co_return co_await concur::gather(std::move(fetches));
}

reports by_coroutines(std::string const& site) { return concur::run(all_at_once(site)); }

}  // namespace

int main(int count, char** words) {
  arguments(count, words, "Fetches nine pages one after the other, by a pool of threads, and by coroutines.");

  struct way {
    char const* name;
    reports (*fetch_all)(std::string const&);
    int at_a_time;
    double least;
  };
  double const once = std::chrono::duration<double>(delay).count();
  web::times times;
  reports first;
  for (way const& each : {way{"one after the other", one_after_the_other, 1, pages * once},
                          way{"thread pool", by_a_pool, pages, once}, way{"coroutines", by_coroutines, pages, once}}) {
    say("-- ", each.name);
    web::local_site const site(site_of_nine(), each.at_a_time);
    stopwatch watch;
    auto const all = each.fetch_all(site.url());
    times.add(each.name, watch.seconds());
    if (first.empty()) first = all;
    expect(all == first, "each way finds the same");
    expect(times.of(each.name) >= each.least, "no page comes before its time");
    expect(speed > 1 || times.of(each.name) < each.least + 3 * once, "it takes no longer than it has to");
  }
  expect(first.size() == pages && first[0] == "page 1: 200, queues 1, futures 1, pools 1",
         "links are told by their texts");
  times.print();
}
