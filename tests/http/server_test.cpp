// SPDX-License-Identifier: BSL-1.0
#include <concur/http/server.hpp>

#include "../support/catch.hpp"
#include "../support/recorded_errors.hpp"

#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/memory_stream.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>
#include <concur/sync/event.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::event_loop;
using concur::event_loop_options;
using concur::http_body_writer;
using concur::http_exception;
using concur::http_request;
using concur::http_response;
using concur::http_router;
using concur::http_server_options;
using concur::make_memory_streams;
using concur::memory_stream;
using concur::memory_stream_options;
using concur::run;
using concur::serve_http_connection;
using concur::sleep_for;
using concur::spawn;
using concur::task;

/// Waits for what is cancelled, and is not cancelled itself.
task<> somebody_cancels() {
  auto const forever = []() -> task<> { co_await sleep_for(1h); };
  auto waiting = spawn(forever());
  waiting.cancel();
  co_await std::move(waiting);
}

/// What the tests ask.
http_router routes() {
  http_router router;
  router.get("/hello", [](http_request&) { return http_response::text("hello"); });
  router.get("/items/{id}", [](http_request& request) -> task<http_response> {
    co_return http_response::text(request.param("id") + "|" + request.query("q").value_or("-"));
  });
  router.post("/echo", [](http_request& request) -> task<http_response> {
    auto body = co_await request.async_body();
    co_return http_response::text(std::move(body));
  });
  router.post("/count", [](http_request& request) -> task<http_response> {
    std::array<char, 7> space{};
    std::size_t total = 0;
    while (auto const count = co_await request.async_read_some(space)) total += count;
    co_return http_response::text(std::to_string(total));
  });
  router.post("/ignore", [](http_request&) { return http_response::text("ignored"); });
  router.get("/stream", [](http_request&) {
    return http_response::stream("text/plain", [](http_body_writer& out) -> task<> {
      co_await out.async_write("ab");
      co_await out.async_write("");
      co_await out.async_write("cde");
    });
  });
  router.get("/sized", [](http_request&) {
    auto const body = [](http_body_writer& out) -> task<> {
      co_await out.async_write("ab");
      co_await out.async_write("cde");
    };
    return http_response::stream("text/plain", body, 5);
  });
  router.get("/short", [](http_request&) {
    auto const body = [](http_body_writer& out) -> task<> { co_await out.async_write("ab"); };
    return http_response::stream("text/plain", body, 5);
  });
  router.get("/broken", [](http_request&) {
    auto const body = [](http_body_writer& out) -> task<> {
      co_await out.async_write("ab");
      throw std::runtime_error("no more");
    };
    return http_response::stream("text/plain", body);
  });
  router.get("/throw", [](http_request&) -> task<http_response> {
    co_await concur::yield();
    throw std::runtime_error("secret");
  });
  router.get("/cancelled", [](http_request&) -> task<http_response> {
    co_await somebody_cancels();
    co_return http_response();
  });
  router.get("/broken-by-cancel", [](http_request&) {
    auto const body = [](http_body_writer& out) -> task<> {
      co_await out.async_write("ab");
      co_await somebody_cancels();
    };
    return http_response::stream("text/plain", body);
  });
  router.get("/teapot", [](http_request&) -> http_response { throw http_exception(418, "short and stout"); });
  router.get("/split", [](http_request&) { return http_response::text("x").header("X-A", "b\r\nX-C: d"); });
  router.get("/sleep", [](http_request&) -> task<http_response> {
    co_await sleep_for(1h);
    co_return http_response::text("awake");
  });
  return router;
}

/// The answers without their dates.
std::string without_dates(std::string text) {
  for (std::size_t at = 0; (at = text.find("Date: ", at)) != text.npos;) text.erase(at, text.find('\n', at) - at + 1);
  return text;
}

std::string answer(int status, std::string const& reason, std::string const& body, std::string const& more = "") {
  return "HTTP/1.1 " + std::to_string(status) + " " + reason + "\r\nContent-Type: text/plain; charset=utf-8\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}
std::string const closing = "Connection: close\r\n";
std::string const chunked =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";

task<std::string> all_of(memory_stream& from) {
  std::string text;
  std::array<char, 4096> space{};
  while (auto const count = co_await from.async_read_some(space)) text.append(space.data(), count);
  co_return text;
}

template <class Body>
auto in_virtual_time(Body body) {
  return run(body, event_loop_options().virtual_time());
}

/// What the server says to these bytes, which come in these pieces; then the client says that there is no more.
std::string said_to(std::vector<std::string> const& pieces, http_server_options const& options = {},
                    memory_stream_options const& how = memory_stream_options()) {
  auto const body = [&]() -> task<std::string> {
    auto [client, server] = make_memory_streams(how);
    auto serving = spawn(serve_http_connection(std::move(server), routes(), options));
    auto reading = spawn(all_of(client));
    for (auto const& each : pieces) {
      if (!client.is_open()) break;
      try {
        co_await client.async_write(each);
      } catch (std::system_error const&) {
        break;
      }
      for (int i = 0; i < 6; ++i) co_await concur::yield();
    }
    client.shutdown_write();
    auto said = co_await std::move(reading);
    co_await std::move(serving);
    co_return without_dates(std::move(said));
  };
  return in_virtual_time(body);
}
std::string said_to(std::string const& text, http_server_options const& options = {}) {
  return said_to(std::vector{text}, options);
}

std::string get(std::string const& path, std::string const& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}
std::string post(std::string const& path, std::string const& body, std::string const& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}
std::string post_chunked(std::string const& path, std::string const& chunks) {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks;
}

class message {
 public:
  message(std::string what, std::string expected) : request(std::move(what)), answered(std::move(expected)) {}
  std::string request;
  std::string answered;
};

/// Requests and all that is said to them before the end of the stream.
std::vector<message> messages() {
  std::string const refused = "HTTP/1.1 400 Bad Request";
  std::vector<message> all;
  all.emplace_back(get("/hello"), answer(200, "OK", "hello"));
  all.emplace_back("\r\n" + get("/hello"), answer(200, "OK", "hello"));
  all.emplace_back(get("/items/a%2Fb?q=c+d"), answer(200, "OK", "a/b|c d"));
  all.emplace_back(get("http://a/items/7"), answer(200, "OK", "7|-"));
  all.emplace_back(get("/hello", "Connection: close\r\n"), answer(200, "OK", "hello", closing));
  all.emplace_back(get("/hello") + get("/items/2") + get("/stream") + get("/hello"),
                   answer(200, "OK", "hello") + answer(200, "OK", "2|-") + chunked + answer(200, "OK", "hello"));
  all.emplace_back(post("/echo", "abc") + post("/echo", ""), answer(200, "OK", "abc") + answer(200, "OK", ""));
  all.emplace_back(post_chunked("/echo", "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\n") + get("/hello"),
                   answer(200, "OK", "abc0123456789") + answer(200, "OK", "hello"));
  all.emplace_back(post("/ignore", "abc") + get("/hello"), answer(200, "OK", "ignored") + answer(200, "OK", "hello"));
  all.emplace_back(post_chunked("/ignore", "3\r\nabc\r\n0\r\n\r\n") + get("/hello"),
                   answer(200, "OK", "ignored", closing));
  all.emplace_back(get("/sized"), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde");
  all.emplace_back(
      "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" + get("/hello"),
      answer(200, "OK", "hello").substr(0, answer(200, "OK", "hello").size() - 5) + answer(200, "OK", "hello"));
  all.emplace_back("GET /hello HTTP/1.0\r\n\r\n" + get("/hello"), answer(200, "OK", "hello", closing));
  all.emplace_back("GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" + get("/hello"),
                   answer(200, "OK", "hello", "Connection: keep-alive\r\n") + answer(200, "OK", "hello"));
  all.emplace_back("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nabcde");
  all.emplace_back(get("/none"), answer(404, "Not Found", "not found\n"));
  all.emplace_back("DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n",
                   "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: GET, HEAD, "
                   "OPTIONS\r\nContent-Length: 19\r\n\r\nmethod not allowed\n");
  all.emplace_back("OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                   "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
  all.emplace_back(get("/teapot") + get("/hello"), answer(418, "", "short and stout") + answer(200, "OK", "hello"));
  all.emplace_back("GET / HTTP/1.1\r\n\r\n" + get("/hello"), answer(400, "Bad Request", "no Host\n", closing));
  all.emplace_back("GET / HTTP/1.1\nHost: a\n\n" + get("/hello"),
                   answer(400, "Bad Request", "a line of the head does not end with CR and LF\n", closing));
  all.emplace_back(get("/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
                   answer(400, "Bad Request", "Transfer-Encoding together with Content-Length\n", closing));
  all.emplace_back("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                   answer(505, "HTTP Version Not Supported", "HTTP/1.1 and HTTP/1.0 are spoken here\n", closing));
  all.emplace_back(get("/hello", "Expect: the-worst\r\n"),
                   answer(417, "Expectation Failed", "only 100-continue can be expected\n", closing));
  std::string const bad_size = answer(400, "Bad Request", "a chunk does not begin with its size", closing);
  all.emplace_back(post_chunked("/echo", "3;a\x01\r\nabc\r\n0\r\n\r\n"), bad_size);
  all.emplace_back(post_chunked("/echo", "3 \r\nabc\r\n0\r\n\r\n"), bad_size);
  all.emplace_back(post_chunked("/echo", "0x3\r\nabc\r\n0\r\n\r\n"), bad_size);
  std::string const bare = answer(400, "Bad Request", "a line between chunks does not end with CR and LF", closing);
  all.emplace_back(post_chunked("/echo", "3;a\nabc\r\n0\r\n\r\n"), bare);
  all.emplace_back(post_chunked("/echo", "3\nabc\r\n0\r\n\r\n"), bare);
  all.emplace_back(post_chunked("/echo", "3\r\nabc\r\n0\r\nT: 1\n\r\n"), bare);
  all.emplace_back(post_chunked("/echo", "3\r\nabc\r\n0\r\n\n"), bare);
  all.emplace_back(post_chunked("/echo", "3\r\nabcd\r\n0\r\n\r\n"),
                   answer(400, "Bad Request", "a chunk is longer than it says", closing));
  all.emplace_back(post_chunked("/echo", "3\r\nabc\n0\r\n\r\n"),
                   answer(400, "Bad Request", "a chunk is longer than it says", closing));
  all.emplace_back(post_chunked("/echo", "3\r\nabc\r\n0\r\nT : 1\r\n\r\n"),
                   answer(400, "Bad Request", "the name of a header is not a token", closing));
  return all;
}

}  // namespace

TEST_CASE("http server: every message, whole and split at every byte", "[http]") {
  for (auto const& [request, answered] : messages()) {
    CAPTURE(request);
    REQUIRE(said_to(request) == answered);
    for (std::size_t at = 1; at < request.size(); ++at) {
      auto const said = said_to({request.substr(0, at), request.substr(at)});
      if (said != answered) {
        CAPTURE(at);
        REQUIRE(said == answered);
      }
    }
    REQUIRE(said_to({request}, {}, memory_stream_options().most_per_read(1).most_per_write(1)) == answered);
  }
}

TEST_CASE("http server: a client that goes away at any byte gets what it asked for before, and does no harm",
          "[http]") {
  support::recorded_errors const hook;
  for (auto const& [request, answered] : messages()) {
    CAPTURE(request);
    for (std::size_t at = 0; at < request.size(); ++at) {
      auto const said = said_to(request.substr(0, at));
      // All but what is still to come, or the word that no more will.
      if (said.find("400 Bad") == said.npos && said.find(closing) == said.npos && !answered.starts_with(said)) {
        CAPTURE(at);
        REQUIRE(said == answered);
      }
    }
  }
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("http server: a client that closes without reading does no harm at any byte", "[http]") {
  support::recorded_errors const hook;
  for (auto const& each : messages()) {
    for (std::size_t at = 0; at <= each.request.size(); at += 3) {
      auto const body = [&]() -> task<> {
        auto [client, server] = make_memory_streams();
        auto serving = spawn(serve_http_connection(std::move(server), routes()));
        co_await client.async_write(std::string_view(each.request).substr(0, at));
        client.close();
        co_await std::move(serving);
      };
      in_virtual_time(body);
    }
  }
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("http server: a cancel at every point where it may wait ends it", "[http]") {
  support::recorded_errors const hook;
  for (auto const& each : messages()) {
    // Gives whether the server had ended before.
    auto const cancelled_after = [&](int turns) -> task<bool> {
      auto [client, server] = make_memory_streams(memory_stream_options().capacity(64).suspensions(1));
      auto serving = spawn(serve_http_connection(std::move(server), routes()));
      auto const write = [&]() -> task<> {
        try {
          co_await client.async_write(each.request);
          client.shutdown_write();
        } catch (std::system_error const&) {
        }
      };
      auto writing = spawn(write());
      auto reading = spawn(all_of(client));
      for (int i = 0; i < turns && !serving.done(); ++i) co_await concur::yield();
      bool const had_ended = serving.done();
      serving.cancel();
      try {
        co_await std::move(serving);
      } catch (concur::cancelled const&) {
      }
      co_await std::move(writing);
      auto const said = co_await std::move(reading);
      static_cast<void>(said);
      co_return had_ended;
    };
    int turns = 0;
    while (!run([&]() { return cancelled_after(turns); }, event_loop_options().virtual_time())) ++turns;
    CHECK(turns > 5);
  }
  CHECK(support::recorded_errors::all().empty());
}

TEST_CASE("http server: errors of handlers are answered and told to the hook", "[http]") {
  support::recorded_errors const hook;
  auto const failed = answer(500, "Internal Server Error", "internal server error\n");
  CHECK(said_to(get("/throw") + get("/hello")) == failed + answer(200, "OK", "hello"));
  CHECK(said_to(get("/split")) == failed);
  REQUIRE(support::recorded_errors::all().size() == 2);
  CHECK(support::recorded_errors::all()[0].find("secret") != std::string::npos);
}

TEST_CASE("http server: what somebody else has cancelled is an error of the handler like any other", "[http]") {
  support::recorded_errors const hook;
  CHECK(said_to(get("/cancelled") + get("/hello")) ==
        answer(500, "Internal Server Error", "internal server error\n") + answer(200, "OK", "hello"));
  CHECK(said_to(get("/broken-by-cancel")) == chunked.substr(0, chunked.find("3\r\n")));
  CHECK(support::recorded_errors::all().size() == 2);
}

TEST_CASE("http server: a body that is not as long as was said breaks the connection off", "[http]") {
  support::recorded_errors const hook;
  CHECK(said_to(get("/short") + get("/hello")) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nab");
  CHECK(said_to(get("/broken") + get("/hello")) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
  CHECK(support::recorded_errors::all().size() == 2);
}

TEST_CASE("http server: a body is asked for when it is read, and only then", "[http]") {
  auto const body = [&]() -> task<> {
    auto [client, server] = make_memory_streams();
    auto serving = spawn(serve_http_connection(std::move(server), routes()));
    std::array<char, 4096> space{};
    auto const expecting = [](std::string const& path) {
      return "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
    };
    co_await client.async_write(expecting("/echo"));
    auto count = co_await client.async_read_some(space);
    CHECK(std::string_view(space.data(), count) == "HTTP/1.1 100 Continue\r\n\r\n");
    co_await client.async_write("abc");
    count = co_await client.async_read_some(space);
    CHECK(without_dates(std::string(space.data(), count)) == answer(200, "OK", "abc"));

    // Who does not wait is not told.
    co_await client.async_write(expecting("/echo") + "abc");
    count = co_await client.async_read_some(space);
    CHECK(without_dates(std::string(space.data(), count)) == answer(200, "OK", "abc"));

    // Nobody wants it: what comes next could be the body or a request, so nothing does.
    co_await client.async_write(expecting("/ignore") + get("/hello"));
    auto const rest = co_await all_of(client);
    CHECK(without_dates(rest) == answer(200, "OK", "ignored", closing));
    client.close();
    co_await std::move(serving);
  };
  in_virtual_time(body);
}

namespace {

/// How long it takes until the server has said all it says, and what that is, if a client sends `first` at once and
/// then again and again `more`, in such intervals.
class slow_talk {
 public:
  slow_talk(std::string what, std::chrono::nanoseconds length) : said(std::move(what)), took(length) {}
  std::string said;
  std::chrono::nanoseconds took;
};
slow_talk talk_slowly(std::string const& first, std::string const& more, std::chrono::nanoseconds interval,
                      http_server_options const& options = {}) {
  auto const body = [&]() -> task<slow_talk> {
    auto [client, server] = make_memory_streams();
    auto const before = event_loop::current()->time();
    auto serving = spawn(serve_http_connection(std::move(server), routes(), options));
    auto const write = [&]() -> task<> {
      try {
        co_await client.async_write(first);
        while (!more.empty()) {
          co_await sleep_for(interval);
          co_await client.async_write(more);
        }
      } catch (std::system_error const&) {
      }
    };
    auto writing = spawn(write());
    auto said = co_await all_of(client);
    auto const took = event_loop::current()->time() - before;
    co_await std::move(serving);
    client.close();
    co_await std::move(writing);
    co_return slow_talk(without_dates(std::move(said)), took);
  };
  return in_virtual_time(body);
}

}  // namespace

TEST_CASE("http server: nothing that a client does slowly, or not at all, keeps it for longer than it bears",
          "[http]") {
  auto const options =
      http_server_options().header_timeout(10s).idle_timeout(70s).body_timeout(20s).linger(5s, 1 << 20);
  auto const hello = answer(200, "OK", "hello");
  {
    auto const talk = talk_slowly("", "", 0s, options);  // says nothing
    CHECK(talk.said.empty());
    CHECK(talk.took == 10s);
  }
  {
    auto const talk = talk_slowly(get("/hello"), "", 0s, options);  // says nothing more
    CHECK(talk.said == hello);
    CHECK(talk.took == 70s);
  }
  {
    auto const talk = talk_slowly("GET / HTTP/1.1\r\nX: ", "y", 1s, options);  // a byte now and then
    CHECK(talk.said == answer(408, "Request Timeout", "the head of a request takes too long\n", closing));
    CHECK(talk.took == 10s);
  }
  {
    auto const talk = talk_slowly("", "G", 9s, options);  // begins late
    CHECK(talk.said == answer(408, "Request Timeout", "the head of a request takes too long\n", closing));
    CHECK(talk.took == 10s);
  }
  {
    auto const talk = talk_slowly(get("/hello") + "GET", "", 1s, options);
    CHECK(talk.said == hello + answer(408, "Request Timeout", "the head of a request takes too long\n", closing));
    CHECK(talk.took == 10s);
  }
  {
    auto const talk = talk_slowly("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", "y", 1s, options);
    CHECK(talk.said == answer(408, "Request Timeout", "the body of a request takes too long", closing));
    CHECK(talk.took == 20s);
  }
  {
    auto const talk = talk_slowly(post_chunked("/echo", "1;a=b"), "c", 1s, options);  // no end of an extension
    CHECK(talk.said == answer(408, "Request Timeout", "the body of a request takes too long", closing));
    CHECK(talk.took == 20s);
  }
  {
    auto const talk = talk_slowly("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", "y", 1s, options);
    CHECK(talk.said == answer(200, "OK", "ignored"));
    CHECK(talk.took == 5s);
  }
}

TEST_CASE("http server: a handler that takes too long is cancelled", "[http]") {
  auto const talk = talk_slowly(get("/sleep", closing), "", 0s, http_server_options().handler_timeout(3s));
  CHECK(talk.said == answer(503, "Service Unavailable", "the answer takes too long\n", closing));
  CHECK(talk.took == 3s);
}

TEST_CASE("http server: a client that does not read is given up", "[http]") {
  auto const body = [&]() -> task<> {
    auto [client, server] = make_memory_streams(memory_stream_options().capacity(10));
    auto const before = event_loop::current()->time();
    auto serving = spawn(serve_http_connection(std::move(server), routes(), http_server_options().write_timeout(3s)));
    auto const write = [&]() -> task<> { co_await client.async_write(get("/hello")); };
    co_await write();
    co_await std::move(serving);
    auto const took = event_loop::current()->time() - before;
    CHECK(took == 3s);
  };
  in_virtual_time(body);
}

TEST_CASE("http server: heads, bodies, extensions and trailers that are too large are refused", "[http]") {
  auto const options = http_server_options().header_limit(1000).body_limit(100);
  auto const too_long = answer(431, "Request Header Fields Too Large", "the head of a request is too long\n", closing);
  auto const too_large = [](std::string const& end) {
    return answer(413, "Content Too Large", "the body is too large" + end, closing);
  };
  CHECK(said_to(get("/hello", "X: " + std::string(2000, 'x') + "\r\n"), options) == too_long);
  CHECK(said_to(get("/" + std::string(2000, 'x')), options) == too_long);
  CHECK(said_to(std::string(2000, 'x'), options) == too_long);
  CHECK(said_to(get("/hello", "X: " + std::string(900, 'x') + "\r\n"), options) == answer(200, "OK", "hello"));
  CHECK(said_to(post("/count", std::string(100, 'x')), options) == answer(200, "OK", "100"));
  CHECK(said_to(post("/count", std::string(101, 'x')), options) == too_large("\n"));
  std::string hundred;
  for (int i = 0; i < 10; ++i) hundred += "a\r\n0123456789\r\n";
  CHECK(said_to(post_chunked("/count", hundred + "0\r\n\r\n"), options) == answer(200, "OK", "100"));
  CHECK(said_to(post_chunked("/count", hundred + "1\r\nx\r\n0\r\n\r\n"), options) == too_large(""));
  CHECK(said_to(post_chunked("/count", "fffffffffffffff\r\n"), options) == too_large(""));

  std::string extended;
  for (int i = 0; i < 20; ++i) extended += "1;" + std::string(90, 'x') + "\r\na\r\n";
  CHECK(said_to(post_chunked("/count", extended + "0\r\n\r\n"), options) ==
        answer(400, "Bad Request", "too much beside the body", closing));
  CHECK(said_to(post_chunked("/count", "0\r\n" + std::string(2000, 'x')), options) ==
        answer(400, "Bad Request", "a chunk's line, or the trailer, is too long", closing));
  CHECK(said_to(post_chunked("/count", "1;" + std::string(2000, 'x')), options) ==
        answer(400, "Bad Request", "a chunk's line, or the trailer, is too long", closing));
}

TEST_CASE("http server: there may be no limit to heads and trailers", "[http]") {
  auto const options = http_server_options().header_limit(std::numeric_limits<std::size_t>::max());
  CHECK(said_to(post_chunked("/count", "1\r\nx\r\n0\r\nT: 1\r\n\r\n"), options) == answer(200, "OK", "1"));
}

TEST_CASE("http server: a client can send no more of a body than is read, and the limits of what lies between",
          "[http]") {
  concur::event go;
  http_router router;
  router.post("/slow", [&go](http_request& request) -> task<http_response> {
    co_await go.async_wait();
    auto const body = co_await request.async_body();
    co_return http_response::text(std::to_string(body.size()));
  });
  auto const body = [&]() -> task<> {
    auto [client, server] = make_memory_streams(memory_stream_options().capacity(1000));
    auto serving = spawn(serve_http_connection(std::move(server), router));
    std::size_t written = 0;
    std::string const all = post("/slow", std::string(500'000, 'x'), closing);
    auto const write = [&]() -> task<> {
      while (written < all.size()) {
        written += co_await client.async_write_some(std::string_view(all).substr(written));
      }
    };
    auto writing = spawn(write());
    co_await sleep_for(1s);
    CHECK(written <= 1000 + 2 * 2048);  // the stream's buffer, and what the server reads ahead
    go.set();
    auto const said = co_await all_of(client);
    CHECK(without_dates(said) == answer(200, "OK", "500000", closing));
    co_await std::move(writing);
    client.close();
    co_await std::move(serving);
  };
  in_virtual_time(body);
}

TEST_CASE("http server: what is uploaded and refused is read on for a bounded time and size", "[http]") {
  std::string const upload = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n";
  auto const refused = answer(413, "Content Too Large", "the body is too large\n", closing);
  auto const body = [&](std::uint64_t limit) -> task<std::size_t> {
    auto [client, server] = make_memory_streams();
    auto const before = event_loop::current()->time();
    auto serving = spawn(serve_http_connection(std::move(server), routes(), http_server_options().linger(5s, limit)));
    std::string const piece(10'000, 'x');
    std::size_t written = 0;
    try {
      co_await client.async_write(upload);
      for (; written < 5'000'000; written += piece.size()) co_await client.async_write(piece);
    } catch (std::system_error const&) {
    }
    auto const said = co_await all_of(client);
    CHECK(without_dates(said) == refused);
    co_await std::move(serving);  // although the client does not close
    auto const took = event_loop::current()->time() - before;
    CHECK(took <= 5s);
    co_return written;
  };
  auto const run_with = [&](std::uint64_t limit) {
    return run([&]() { return body(limit); }, event_loop_options().virtual_time());
  };
  CHECK(run_with(16 << 20) == 5'000'000);
  CHECK(run_with(100'000) < 300'000);
}

TEST_CASE("http server: a stop lets answers be finished, and ends those who wait for nothing", "[http]") {
  std::stop_source stop;
  auto const options = http_server_options().serving(concur::serve_options().stop(stop.get_token()));
  concur::event go;
  http_router router;
  router.get("/", [&go](http_request&) -> task<http_response> {
    co_await go.async_wait();
    co_return http_response::text("done");
  });
  auto const body = [&]() -> task<> {
    auto [idle, server_of_idle] = make_memory_streams();
    auto [busy, server_of_busy] = make_memory_streams();
    auto const before = event_loop::current()->time();
    auto serving_idle = spawn(serve_http_connection(std::move(server_of_idle), router, options));
    auto serving_busy = spawn(serve_http_connection(std::move(server_of_busy), router, options));
    co_await busy.async_write(get("/") + get("/"));
    co_await sleep_for(1s);
    stop.request_stop();
    auto const nothing = co_await all_of(idle);
    CHECK(nothing.empty());
    co_await std::move(serving_idle);
    go.set();
    auto const said = co_await all_of(busy);
    CHECK(without_dates(said) == answer(200, "OK", "done", closing));
    busy.close();
    co_await std::move(serving_busy);
    auto const took = event_loop::current()->time() - before;
    CHECK(took == 1s);
  };
  in_virtual_time(body);
}
