// SPDX-License-Identifier: BSL-1.0
//
// A small web server on 127.0.0.1, for the programs of this folder: it gives what they would fetch from somewhere else.
//
//     concur::http_router pages;
//     pages.get("/", [](concur::http_request&) { return concur::http_response::text("hello"); });
//     web::local_site const site(std::move(pages));
//     client.get(site.url() + "/");
#pragma once

#include <concur/concur.hpp>
#include <concur/http/server.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

namespace web {

/// Answers from its own thread, until it goes.
class local_site {
 public:
  /// With a number of visitors it begins no answer before so many requests are there, and so on by that number: those
  /// who promise to ask at the same time have kept their word if they get answers, and are refused after a minute if
  /// they ask one after the other. Sees more than a clock does, which cannot tell a slow machine from a wrong program.
  explicit local_site(concur::http_router pages, int visitors = 1)
      : pages_(std::move(pages)),
        all_are_here_(visitors),
        listener_(concur::endpoint(concur::ip_address::loopback_v4(), 0)),
        url_("http://" + listener_.local_endpoint().to_string()),
        thread_(concur::thread_options().name("local site"), [this] { serve(); }) {}
  ~local_site() {
    stop_.request_stop();
    thread_.join();
  }
  local_site(local_site const&) = delete;
  local_site& operator=(local_site const&) = delete;

  /// "http://127.0.0.1:40321".
  std::string const& url() const noexcept { return url_; }

 private:
  concur::task<concur::http_response> answer(concur::http_request& asked) {
    bool const together = co_await concur::move_on_after(std::chrono::minutes(1), arrive());
    if (!together) throw concur::http_exception(503, "the others have not come");
    co_return co_await pages_(asked);
  }

  concur::task<> arrive() { co_await all_are_here_.async_arrive_and_wait(); }

  void serve() {
    auto const handler = [this](concur::http_request& asked) { return answer(asked); };
    auto const until_stop = concur::serve_options().stop(stop_.get_token());
    concur::run(concur::serve_http(listener_, handler, concur::http_server_options().serving(until_stop)));
  }

  concur::http_router const pages_;
  concur::barrier<> all_are_here_;
  concur::tcp_listener listener_;
  std::string const url_;
  std::stop_source stop_;
  concur::thread thread_;  // last: it uses all the others
};

/// What a picture or a film has in it: as good as any other, since nobody looks.
inline std::string noise(std::size_t size, std::uint32_t seed) {
  std::string bytes(size, '\0');
  for (char& each : bytes) each = char((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

}  // namespace web
