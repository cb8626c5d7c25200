// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include <concur/coro/sleep.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/server.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>

namespace {

void serve_pages(std::uint16_t port) {
  concur::http_router router;
  router.get("/{page}", [](concur::http_request& asked) -> concur::task<concur::http_response> {
    if (asked.headers().get("X-Session") != "nine") co_return concur::http_response::text("no session\n", 400);
    co_await concur::sleep_for(thinking);
    co_return concur::http_response::of_type("text/html", page_text(asked.param("page")));
  });
  concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), port));
  bench::ready(listener.local_endpoint().port());
  concur::run(concur::serve_http(listener, std::move(router)));
}

struct registered {
  registered() { bench::registered_servers().push_back({"site", serve_pages}); }
} const here;

}  // namespace
