// SPDX-License-Identifier: BSL-1.0
//
// R02: fetches pages from several sites at once, and shows status and size of each as it comes. A host that is dead, or
// too slow, is one line like the others. Without URLs it visits sites of its own on 127.0.0.1.
#include "local_site.hpp"
#include "tutorial.hpp"

#include <concur/concur.hpp>
#include <concur/http/client.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <list>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace tutorial;

struct outcome {
  std::string url;
  int status = 0;  // none: there was no answer
  std::size_t size = 0;
  std::string words;
};

concur::task<outcome> fetch(concur::http_client& client, std::string url) {
  outcome result;
  result.url = url;
  try {
    auto const answer = co_await client.async_get(url);
    result.status = answer.status();
    result.size = answer.body().size();
    result.words = answer.reason();
  } catch (std::system_error const& error) {
    result.words = error.code().message();
  }
  co_return result;
}

/// All at once, and each shown as soon as it is there.
concur::task<> fetch_all(concur::http_client& client, std::vector<std::string> urls,
                         std::function<void(outcome const&)> show) {
  std::vector<concur::future<outcome>> fetches;
  for (auto const& url : urls) fetches.push_back(concur::spawn(fetch(client, url)));
  auto coming = concur::as_completed(fetches);
  while (auto* const next = co_await coming.next()) show(next->get());
}

void print(outcome const& one) {
  if (one.status == 0) {
    say(one.url, ": ", one.words);
  } else {
    say(one.url, ": ", one.status, " ", one.words, ", ", one.size, " bytes");
  }
}

/// Three sites, which answer after 3, 2 and 1 seconds, a page that the first of them does not have, and a dead host.
void visit_own_sites(concur::client_options const& options) {
  std::vector<outcome> shown;
  concur::event others_were_shown;
  std::list<web::local_site> sites;
  std::vector<std::string> urls;
  for (int const seconds : {3, 2, 1}) {
    concur::http_router pages;
    pages.get("/", [&, seconds](concur::http_request&) -> concur::task<concur::http_response> {
      co_await concur::sleep_for(seconds * 1s / speed);
      // However slow the machine: whoever shows nothing before all are there will wait for ever.
      if (seconds == 3) co_await others_were_shown.async_wait();
      co_return concur::http_response::html(std::string(std::size_t(seconds * 1000), '-'));
    });
    urls.push_back(sites.emplace_back(std::move(pages)).url() + "/");
  }
  urls.push_back(sites.front().url() + "/lost");
  urls.push_back("http://127.0.0.1:1/");

  concur::http_client client(concur::client_options(options).without_proxy());
  stopwatch watch;
  concur::run(fetch_all(client, urls, [&](outcome const& one) {
    print(one);
    shown.push_back(one);
    if (shown.size() == urls.size() - 1) others_were_shown.set();
  }));
  say("all after ", watch.seconds(), " s");

  auto const of = [&](std::size_t i) { return *std::ranges::find(shown, urls[i], &outcome::url); };
  for (std::size_t i = 0; i < 3; ++i) {
    expect(of(i).status == 200 && of(i).size == 3000 - 1000 * i, "status and size are what the site sent");
  }
  expect(of(3).status == 404, "an answer is an answer, whatever its status");
  expect(of(4).status == 0, "there is nobody at the last of them");
  expect(shown.back().url == urls[0], "the slowest one comes last");
  expect(watch.seconds() >= 3 && (speed > 1 || watch.seconds() < 5), "all take as long as the slowest");
}

}  // namespace

int main(int count, char** words) {
  std::string limit = "10";
  auto const urls = arguments(count, words, "Fetches pages from several sites at once.", "[URL…]",
                              {{"--limit", "SECONDS", "how long a site may take; by default 10", &limit}});
  auto const options = concur::client_options()
                           .header("Accept", "text/html")
                           .timeout(std::chrono::duration<double>(std::atof(limit.c_str())));
  if (urls.empty()) {
    visit_own_sites(options);
    return 0;
  }
  bool all_answered = true;
  concur::http_client client(options);
  concur::run(fetch_all(client, urls, [&](outcome const& one) {
    print(one);
    all_answered = all_answered && one.status != 0;
  }));
  return all_answered ? 0 : 1;
}
