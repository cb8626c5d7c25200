// SPDX-License-Identifier: BSL-1.0
//
// The client over TLS: whom it trusts.
#include <concur/http/client.hpp>

#include "../support/catch.hpp"
#include "../support/certificates.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/task.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/serve.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tls.hpp>

#include <atomic>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using concur::client_options;
using concur::http_client;
using concur::make_curl_error;
using concur::task;
using concur::tls_context;
using concur::tls_options;

client_options direct() { return client_options().without_proxy(); }

support::authority const& ca() {
  static support::authority const made("concur's tests");
  return made;
}

/// Says hello over TLS.
class tls_server {
 public:
  explicit tls_server(support::identity const& who)
      : context_(tls_context::server(tls_options().certificate_pem(who.certificate).key_pem(who.key))),
        thread_([this] { run(); }) {}
  ~tls_server() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }
  std::string url() const { return "https://" + at_.to_string() + '/'; }
  int handshakes() const { return handshakes_; }

 private:
  void run() {
    auto const serve = [this]() -> task<> {
      auto const handler = [this](concur::tcp_stream peer) { return handle(std::move(peer)); };
      co_await concur::serve(listener_, handler);
    };
    try {
      loop_.run(serve);
    } catch (concur::cancelled const&) {
    }
  }
  task<> handle(concur::tcp_stream peer) {
    concur::tls_stream stream(std::move(peer), context_);
    try {
      co_await stream.async_handshake();
      ++handshakes_;
      concur::buffered_reader<decltype(stream)&> reader(stream);
      while (auto const head = co_await reader.async_read_until("\r\n\r\n")) {
        co_await stream.async_write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
      }
    } catch (std::exception const&) {
      // The client does not trust it, or has gone.
    }
  }

  tls_context const context_;
  concur::tcp_listener listener_{concur::endpoint::parse("127.0.0.1:0")};
  concur::endpoint const at_ = listener_.local_endpoint();
  concur::event_loop loop_;
  std::atomic<int> handshakes_{0};
  std::thread thread_;  // last: it uses all the others
};

std::error_code error_of(http_client& client, std::string const& url) {
  try {
    client.get(url);
  } catch (std::system_error const& error) {
    return error.code();
  }
  return {};
}

TEST_CASE("a host has to prove who it is, unless the options say otherwise") {
  support::temporary_directory const here;
  auto const file = here / "ca.pem";
  std::ofstream(file) << ca().certificate();
  tls_server const right(ca().issue("IP:127.0.0.1"));
  tls_server const wrong_name(ca().issue("example.org"));
  tls_server const old(ca().issue("IP:127.0.0.1", -10, -5));
  auto const untrusted = make_curl_error(CURLE_PEER_FAILED_VERIFICATION);

  http_client trusting(direct().ca_file(file));
  CHECK(trusting.get(right.url()).body() == "hello");
  CHECK(trusting.get(right.url()).body() == "hello");
  CHECK(right.handshakes() == 1);
  CHECK(error_of(trusting, wrong_name.url()) == untrusted);
  CHECK(error_of(trusting, old.url()) == untrusted);

  http_client by_default(direct());
  CHECK(error_of(by_default, right.url()) == untrusted);
  auto const ask = [&]() -> task<> { co_await by_default.async_get(right.url()); };
  CHECK_THROWS_AS(concur::run(ask), std::system_error);

  http_client careless(direct().without_verification());
  for (auto const* const server : {&right, &wrong_name, &old}) CHECK(careless.get(server->url()).body() == "hello");

  http_client lost(direct().ca_file(here / "none.pem"));
  CHECK(error_of(lost, right.url()) == make_curl_error(CURLE_SSL_CACERT_BADFILE));
}

TEST_CASE("coroutines speak TLS as well, and share connections") {
  support::temporary_directory const here;
  auto const file = here / "ca.pem";
  std::ofstream(file) << ca().certificate();
  tls_server const server(ca().issue("IP:127.0.0.1"));
  http_client client(direct().ca_file(file));
  auto const ask = [&]() -> task<int> {
    int right = 0;
    for (int i = 0; i < 10; ++i) {
      auto const answer = co_await client.async_get(server.url());
      right += answer.body() == "hello" ? 1 : 0;
    }
    co_return right;
  };
  CHECK(concur::run(ask) == 10);
  CHECK(server.handshakes() == 1);
}

}  // namespace
