// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/sleep.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/server.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>

#include <cstdint>

namespace {

using concur::http_request;
using concur::http_response;

std::string list_text(std::string const& number) {
  std::string text = "<html><body>\n";
  for (int i = 1; i <= crawler::images_of_a_page; ++i) {
    text += "<img src=\"/images/" + number + '/' + std::to_string(i) + ".jpg\">\n";
  }
  return text + "</body></html>\n";
}

void serve_site(std::uint16_t port) {
  concur::http_router router;
  router.get("/{page}", [](http_request& asked) -> concur::task<http_response> {
    co_await concur::sleep_for(crawler::thinking);
    auto const name = asked.param("page");  // index_N.html
    co_return http_response::html(list_text(name.substr(6, name.find('.') - 6)));
  });
  router.get("/images/{page}/{image}", [](http_request&) -> concur::task<http_response> {
    co_await concur::sleep_for(crawler::thinking);
    co_return http_response::of_type("image/jpeg", std::string(crawler::image_size, 'x'));
  });
  concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), port));
  bench::ready(listener.local_endpoint().port());
  concur::run(concur::serve_http(listener, std::move(router)));
}

struct registered {
  registered() { bench::registered_servers().push_back({"site", serve_site}); }
} const here;

/// Ten answers at any time, and nothing else: what the others are compared with.
void ideal(benchmark::State& state) {
  bench::report(state, std::chrono::duration<double>(crawler::thinking) / crawler::concurrency);
}

bench::cases const limits = {{crawler::by_coroutines, "ideal", ideal, bench::timing::own},
                             {crawler::by_threads, "ideal", ideal, bench::timing::own}};

}  // namespace
