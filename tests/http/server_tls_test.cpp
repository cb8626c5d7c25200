// SPDX-License-Identifier: BSL-1.0
#include <concur/http/server.hpp>

#include "../support/catch.hpp"
#include "../support/certificates.hpp"
#include "../support/recorded_errors.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/loop/event_loop_options.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tls.hpp>

#include <array>
#include <string>
#include <utility>

namespace {

using concur::http_request;
using concur::http_response;
using concur::spawn;
using concur::task;
using concur::tls_context;
using concur::tls_options;
using concur::tls_stream;

}  // namespace

TEST_CASE("http server: over TLS, and the end of it is announced", "[http][tls]") {
  support::recorded_errors const hook;
  support::authority const ca("a test");
  auto const mine = ca.issue("example.org");
  auto const of_server = tls_context::server(tls_options().certificate_pem(mine.certificate).key_pem(mine.key));
  auto const of_client = tls_context::client(tls_options().trust_pem(ca.certificate()));
  auto const hello = [](http_request& request) -> task<http_response> {
    auto body = co_await request.async_body();
    co_return http_response::text("hello " + body);
  };
  for (std::string const last : {"Connection: close\r\n", ""}) {
    CAPTURE(last);
    auto const all = [&]() -> task<> {
      auto [one, other] = concur::make_memory_streams();
      tls_stream client(std::move(one), of_client, "example.org");
      tls_stream server(std::move(other), of_server);
      auto serving = spawn(concur::serve_http_connection(std::move(server), hello));
      co_await client.async_write("POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n" + last + "\r\nyou");
      std::string said;
      std::array<char, 1000> space{};
      // Throws if the stream is cut off.
      while (auto const count = co_await client.async_read_some(space)) said.append(space.data(), count);
      CHECK(said.ends_with("\r\n\r\nhello you"));
      co_await client.async_close();
      co_await std::move(serving);
    };
    concur::run(all, concur::event_loop_options().virtual_time());
  }
  CHECK(support::recorded_errors::all().empty());
}
