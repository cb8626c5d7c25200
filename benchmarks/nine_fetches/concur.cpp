// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/client.hpp>
#include <concur/loop/run.hpp>
#include <concur/pool/thread_pool.hpp>

#include <string>
#include <utility>
#include <vector>

namespace {

class session {
 public:
  session() : client_(concur::client_options().header("X-Session", "nine").without_proxy()), url_(site_url()) {}

  int fetch(int page) { return links_in(client_.get(address(page)), page); }
  concur::task<int> async_fetch(int page) { co_return links_in(co_await client_.async_get(address(page)), page); }

 private:
  std::string address(int page) const { return url_ + '/' + std::to_string(page); }
  static int links_in(concur::client_response const& answer, int page) {
    auto const texts = link_texts(answer.body());
    bool const right =
        answer.status() == 200 && !texts.empty() && texts.front() == "article " + std::to_string(page) + ", part 1";
    return right ? int(texts.size()) : 0;
  }

  concur::http_client client_;
  std::string const url_;
};

constexpr int all_links = fetches * links_of_a_page;

bool serially() {
  session one;
  int links = 0;
  for (int page = 1; page <= fetches; ++page) links += one.fetch(page);
  return links == all_links;
}

bool by_a_pool() {
  session one;
  concur::thread_pool pool(fetches);
  std::vector<concur::future<int>> all;
  for (int page = 1; page <= fetches; ++page) all.push_back(pool.submit([&one, page] { return one.fetch(page); }));
  int links = 0;
  for (auto& each : all) links += each.get();
  return links == all_links;
}

concur::task<int> fetch_all() {
  session one;
  std::vector<concur::task<int>> all;
  for (int page = 1; page <= fetches; ++page) all.push_back(one.async_fetch(page));
  int links = 0;
  for (int each : co_await concur::gather(std::move(all))) links += each;
  co_return links;
}

bool by_coroutines() { return concur::run(fetch_all()) == all_links; }

bench::cases const here = {
    bench::whole_work(nine_fetches, "concur", by_coroutines),
    bench::whole_work(nine_fetches, "concur_pool", by_a_pool),
    bench::whole_work(nine_fetches, "concur_serial", serially),
};

}  // namespace
