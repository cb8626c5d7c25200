// SPDX-License-Identifier: BSL-1.0
//
// The HTTP server over real sockets.
#include <concur/http/server.hpp>

#include "../support/catch.hpp"
#include "../support/recorded_errors.hpp"
#include "../support/sanitizers.hpp"
#include "../support/temporary_directory.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/net/unix_listener.hpp>
#include <concur/net/unix_stream.hpp>
#include <concur/sync/event.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::endpoint;
using concur::http_body_writer;
using concur::http_request;
using concur::http_response;
using concur::http_router;
using concur::http_server_options;
using concur::ip_address;
using concur::run;
using concur::serve_http;
using concur::serve_options;
using concur::spawn;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;

endpoint any_port() { return endpoint(ip_address::loopback_v4(), 0); }

template <class Stream>
task<std::string> all_of(Stream& from) {
  std::string text;
  std::vector<char> space(64 * 1024);
  while (auto const count = co_await from.async_read_some(space)) text.append(space.data(), count);
  co_return text;
}

task<std::string> asked(endpoint at, std::string request) {
  auto server = co_await tcp_stream::async_connect(at);
  co_await server.async_write(request);
  co_return co_await all_of(server);
}

std::string get(std::string const& path, std::string const& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + more + "\r\n";
}
int status_of(std::string const& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }
std::string body_of(std::string const& answer) {
  auto const end = answer.find("\r\n\r\n");
  return end == answer.npos ? "" : answer.substr(end + 4);
}
std::string header_of(std::string const& answer, std::string const& name) {
  auto const at = answer.find("\r\n" + name + ": ");
  if (at == answer.npos || at > answer.find("\r\n\r\n")) return "";
  auto const begin = at + name.size() + 4;
  return answer.substr(begin, answer.find("\r\n", begin) - begin);
}

/// Runs `clients(where)` while a server of these routes serves, and ends that.
template <class Clients>
void with_server(http_router router, Clients clients, http_server_options options = http_server_options()) {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  std::stop_source stop;
  options.serving(serve_options().stop(stop.get_token()));
  auto const all = [&]() -> task<> {
    auto server = spawn(serve_http(listener, router, options));
    co_await clients(at);
    stop.request_stop();
    co_await std::move(server);
  };
  run(all());
}

}  // namespace

// Trap I7.
TEST_CASE("http server: uploads of 5 MB are refused without a reset, and each client gets the answer", "[http]") {
  support::recorded_errors const hook;
  http_router router;
  router.post("/", [](http_request&) { return http_response::text("read by nobody"); });
  int const rounds = support::thread_sanitizer || support::address_sanitizer ? 100 : 1000;
  std::string const piece(1 << 20, 'x');
  auto const upload = [&](endpoint at, int round) -> task<> {
    auto server = co_await tcp_stream::async_connect(at);
    // Refused for its length, for what it is, or by a handler that does not read it. All is written before anything is
    // read, as simple clients do.
    std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5242880\r\n\r\n";
    if (round % 3 == 1) head = "POST / HTTP/1.1\r\nContent-Length: 5242880\r\n\r\n";
    if (round % 3 == 2) head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n500000\r\n";
    co_await server.async_write(head);
    for (int i = 0; i < 5; ++i) co_await server.async_write(piece);
    auto const answer = co_await all_of(server);
    int const expected[] = {413, 400, 200};
    REQUIRE(status_of(answer) == expected[round % 3]);
  };
  auto const clients = [&](endpoint at) -> task<> {
    for (int i = 0; i < rounds; ++i) co_await upload(at, i);
  };
  with_server(router, clients);
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("http server: a body that only the end of the connection ends does not break off as if it ended", "[http]") {
  support::recorded_errors const hook;
  concur::event written;
  http_router router;
  router.get("/broken", [](http_request&) {
    auto const body = [](http_body_writer& out) -> task<> {
      co_await out.async_write("half");
      throw std::runtime_error("no more");
    };
    return http_response::stream("text/plain", body);
  });
  router.get("/endless", [&written](http_request&) {
    auto const body = [&written](http_body_writer& out) -> task<> {
      co_await out.async_write("half");
      written.set();
      co_await concur::sleep_for(24h);
    };
    return http_response::stream("text/plain", body);
  });
  auto const is_reset = [&](std::string path, bool is_cancelled) -> task<bool> {
    tcp_listener listener(any_port());
    auto client = co_await tcp_stream::async_connect(listener.local_endpoint());
    auto server = co_await listener.async_accept();
    auto serving = spawn(concur::serve_http_connection(std::move(server), router));
    co_await client.async_write("GET " + path + " HTTP/1.0\r\n\r\n");
    if (is_cancelled) {
      co_await written.async_wait();
      serving.cancel();
    }
    try {
      static_cast<void>(co_await all_of(client));
    } catch (std::system_error const& error) {
      co_return error.code() == std::errc::connection_reset;
    }
    co_return false;
  };
  CHECK(run(is_reset("/broken", false)));
  CHECK(support::recorded_errors::all().size() == 1);
  CHECK(run(is_reset("/endless", true)));
}

TEST_CASE("http server: many clients at once, each with many requests", "[http]") {
  http_router router;
  router.get("/{n}", [](http_request& request) { return http_response::text(request.param("n")); });
  auto const client = [](endpoint at, int n) -> task<bool> {
    auto server = co_await tcp_stream::async_connect(at);
    std::string requests;
    for (int i = 0; i < 20; ++i) requests += "GET /" + std::to_string(n * 100 + i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    requests += get("/last");
    co_await server.async_write(requests);
    auto const answers = co_await all_of(server);
    std::size_t from = 0;
    for (int i = 0; i < 20; ++i) {
      from = answers.find("\r\n\r\n" + std::to_string(n * 100 + i), from);
      if (from == answers.npos) co_return false;
    }
    co_return answers.ends_with("\r\n\r\nlast");
  };
  auto const clients = [&](endpoint at) -> task<> {
    std::vector<task<bool>> all;
    for (int n = 0; n < 50; ++n) all.push_back(client(at, n));
    auto const right = co_await gather(std::move(all));
    for (bool const each : right) CHECK(each);
  };
  with_server(router, clients);
}

TEST_CASE("http server: over Unix sockets, for one connection after the other", "[http]") {
  auto const all = []() -> task<> {
    auto [client, server] = concur::unix_stream::pair();
    auto const hello = [](http_request&) { return http_response::text("hello"); };
    auto serving = spawn(concur::serve_http_connection(std::move(server), hello));
    co_await client.async_write(get("/"));
    auto const said = co_await all_of(client);
    CHECK(body_of(said) == "hello");
    client.close();
    co_await std::move(serving);
  };
  run(all());
}

TEST_CASE("http server: an upload is read past the buffer, byte for byte", "[http]") {
  http_router router;
  router.post("/", [](http_request& request) -> task<http_response> {
    auto body = co_await request.async_body();
    co_return http_response::of_type("application/octet-stream", std::move(body));
  });
  std::string sent;
  for (unsigned i = 0; sent.size() < 3'000'000; ++i) sent += std::to_string(i * 2654435761u);
  auto const clients = [&](endpoint at) -> task<> {
    auto const plain = co_await asked(at, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " +
                                              std::to_string(sent.size()) + "\r\n\r\n" + sent);
    bool const same = body_of(plain) == sent;
    CHECK(same);
    std::string chunks;
    for (std::size_t from = 0, size = 1; from < sent.size(); from += size, size = size * 3 % 70'001) {
      auto const chunk = sent.substr(from, size);
      std::array<char, 20> digits{};
      std::snprintf(digits.data(), digits.size(), "%zX\r\n", chunk.size());
      chunks.append(digits.data()).append(chunk).append("\r\n");
    }
    auto const chunked =
        co_await asked(at, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
                               chunks + "0\r\n\r\n");
    bool const same_again = body_of(chunked) == sent;
    CHECK(same_again);
  };
  with_server(router, clients, http_server_options().body_limit(10'000'000));
}

TEST_CASE("static files: what is there, and nothing else", "[http]") {
  support::temporary_directory const here;
  namespace fs = std::filesystem;
  auto const root = fs::path((here / "root"));
  fs::create_directories(root / "sub");
  auto const write = [](fs::path const& path, std::string const& text) { std::ofstream(path) << text; };
  std::string big;
  for (int i = 0; big.size() < 500'000; ++i) big += std::to_string(i);
  write(root / "a.html", "<p>");
  write(root / "big.PNG", big);
  write(root / "a b", "blank");
  write(root / "empty.txt", "");
  write(root / "sub/index.html", "index");
  write(fs::path(here / "secret"), "secret");

  http_router router;
  router.get("/s/{path...}", concur::static_files(root.string()));
  auto const clients = [&](endpoint at) -> task<> {
    auto said = co_await asked(at, get("/s/a.html"));
    CHECK(status_of(said) == 200);
    CHECK(body_of(said) == "<p>");
    CHECK(header_of(said, "Content-Type") == "text/html; charset=utf-8");
    CHECK(header_of(said, "Content-Length") == "3");
    auto const tag = header_of(said, "ETag");
    auto const modified = header_of(said, "Last-Modified");
    CHECK(tag.size() > 4);
    CHECK(modified.ends_with(" GMT"));

    said = co_await asked(at, get("/s/a.html", "If-None-Match: \"x\", W/" + tag + "\r\n"));
    CHECK(status_of(said) == 304);
    CHECK(body_of(said).empty());
    CHECK(header_of(said, "ETag") == tag);
    said = co_await asked(at, get("/s/a.html", "If-None-Match: \"x\"\r\nIf-Modified-Since: " + modified + "\r\n"));
    CHECK(status_of(said) == 200);
    said = co_await asked(at, get("/s/a.html", "If-Modified-Since: " + modified + "\r\n"));
    CHECK(status_of(said) == 304);
    said = co_await asked(at, get("/s/a.html", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    CHECK(status_of(said) == 200);

    said = co_await asked(at, get("/s/big.PNG"));
    bool const same = body_of(said) == big;
    CHECK(same);
    CHECK(header_of(said, "Content-Type") == "image/png");
    said = co_await asked(at, "HEAD" + get("/s/big.PNG").substr(3));
    CHECK(body_of(said).empty());
    CHECK(header_of(said, "Content-Length") == std::to_string(big.size()));

    said = co_await asked(at, get("/s/a%20b"));
    CHECK(body_of(said) == "blank");
    said = co_await asked(at, get("/s/empty.txt"));
    CHECK(status_of(said) == 200);
    CHECK(body_of(said).empty());
    for (std::string const path : {"/s/sub", "/s/sub/"}) {
      said = co_await asked(at, get(path));
      CHECK(body_of(said) == "index");
    }
    for (std::string const path :
         {"/s/../secret", "/s/%2e%2e/secret", "/s/..%2fsecret", "/s/sub/../../secret", "/s/sub/%2E./../secret",
          "/s//etc/passwd", "/s/%2fetc/passwd", "/s/a.html/", "/s/a.html%00", "/s/none", "/s/", "/s/a.html/b"}) {
      CAPTURE(path);
      said = co_await asked(at, get(path));
      CHECK(status_of(said) == 404);
    }
  };
  with_server(router, clients);
}
