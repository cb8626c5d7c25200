// SPDX-License-Identifier: BSL-1.0
//
// TLS streams while a call of the system fails.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"
#include "../support/certificates.hpp"

#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tls.hpp>
#include <concur/net/unix_stream.hpp>

#include <array>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using concur::task;
using concur::tls_context;
using concur::tls_options;
using concur::tls_stream;
using concur::unix_stream;

// What the other end sees of a failure is a stream that ends too early.
task<> talk(tls_context const& at_server, tls_context const& at_client) {
  auto plain = unix_stream::pair();
  tls_stream<unix_stream> server(std::move(plain.first), at_server);
  tls_stream<unix_stream> client(std::move(plain.second), at_client, "example.org");
  auto const both = [&](concur::task_group& group) -> task<> {
    auto const echo = [&]() -> task<> {
      std::array<char, 64> space{};
      while (auto const count = co_await server.async_read_some(space)) {
        co_await server.async_write(std::span(space).first(count));
      }
      co_await server.async_shutdown_write();
    };
    group.spawn(echo);
    std::array<char, 5> space{};
    co_await client.async_write("hello");
    auto const count = co_await client.async_read(space);
    if (std::string_view(space.data(), count) != "hello") throw std::logic_error("another answer");
    co_await client.async_shutdown_write();
  };
  co_await concur::with_group(both);
}

}  // namespace

TEST_CASE("tls: streams bear the failure of every call") {
  support::authority const ca("concur's tests");
  auto const mine = ca.issue("example.org");
  auto const at_server = tls_context::server(tls_options().certificate_pem(mine.certificate).key_pem(mine.key));
  auto const at_client = tls_context::client(tls_options().trust_pem(ca.certificate()));
  auto const failed = support::failures_borne([&] { concur::run(talk(at_server, at_client)); });
  CHECK(failed > 100);
}
