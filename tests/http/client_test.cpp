// SPDX-License-Identifier: BSL-1.0
#include <concur/http/client.hpp>

#include "../support/catch.hpp"
#include "scripted_server.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::client_options;
using concur::client_request;
using concur::client_response;
using concur::http_client;
using concur::run;
using concur::task;
using support::answer_of;
using support::scripted;
using support::scripted_server;
using support::seen_request;
using support::then;

/// Of this machine only, whatever proxies the environment names.
client_options direct() { return client_options().without_proxy(); }

scripted echo(seen_request const& asked) { return answer_of(asked.method + ' ' + asked.target + ' ' + asked.body); }

TEST_CASE("every verb asks what it says, in threads and in coroutines") {
  scripted_server server(echo);
  http_client client(direct());
  auto const url = server.url("/a?b=c");
  CHECK(client.get(url).body() == "GET /a?b=c ");
  CHECK(client.post(url, "one").body() == "POST /a?b=c one");
  CHECK(client.put(url, "two").body() == "PUT /a?b=c two");
  CHECK(client.put(url, "").body() == "PUT /a?b=c ");
  CHECK(client.del(url).body() == "DELETE /a?b=c ");
  CHECK(client.request(client_request("PATCH", url).body("three")).body() == "PATCH /a?b=c three");
  CHECK(client.request(client_request("OPTIONS", url)).body() == "OPTIONS /a?b=c ");
  CHECK(client.head(url).body().empty());
  CHECK(server.seen().back().method == "HEAD");
  CHECK(server.connections() == 1);

  auto const ask = [&]() -> task<std::string> {
    std::string all;
    auto const got = co_await client.async_get(url);
    auto const posted = co_await client.async_post(url, "one", "text/plain");
    auto const put = co_await client.async_put(url, "two");
    auto const deleted = co_await client.async_del(url);
    auto const head = co_await client.async_head(url);
    co_return got.body() + '|' + posted.body() + '|' + put.body() + '|' + deleted.body() + '|' + head.body();
  };
  CHECK(run(ask) == "GET /a?b=c |POST /a?b=c one|PUT /a?b=c two|DELETE /a?b=c |");
  CHECK(server.connections() == 2);
}

TEST_CASE("fields go out and come in, those of a request before those of the client") {
  scripted_server server([](seen_request const&) {
    return answer_of("", "Set-Cookie: a=1\r\nx-empty:\r\nset-cookie: b=2\r\n", "418 I'm a teapot");
  });
  http_client client(direct().header("Accept", "text/html").header("X-Tag", "of the client"));
  auto const answer =
      client.request(client_request("GET", server.url("/")).header("x-tag", "mine").add_header("X-Empty", ""));
  CHECK(answer.status() == 418);
  CHECK(answer.reason() == "I'm a teapot");
  CHECK_FALSE(answer.ok());
  CHECK(answer.headers().get_all("SET-COOKIE") == std::vector<std::string_view>{"a=1", "b=2"});
  CHECK(answer.headers().find("x-empty") == std::string_view());
  auto const asked = server.seen().at(0);
  CHECK(asked.headers.get_all("X-Tag") == std::vector<std::string_view>{"mine"});
  CHECK(asked.headers.get("accept") == "text/html");
  CHECK(asked.headers.find("x-empty") == std::string_view());
  CHECK(asked.headers.get("user-agent") == "concur");
  CHECK(asked.headers.get("host") == server.at().to_string());
  CHECK_FALSE(asked.headers.contains("content-type"));
}

TEST_CASE("bodies, parameters and passwords are encoded") {
  scripted_server server(echo);
  http_client client(direct());
  client.request(
      client_request("POST", server.url("/x?a=1#part")).query("b c", "d&e").form("n", "1 2").form("m", "ä=&"));
  client.request(client_request("POST", server.url("/x")).query("q", "").json("{}").basic_auth("user", "pass word"));
  client.request(client_request("GET", server.url("/x")).bearer_token("abc"));
  auto const seen = server.seen();
  CHECK(seen.at(0).target == "/x?a=1&b%20c=d%26e");
  CHECK(seen.at(0).body == "n=1+2&m=%C3%A4%3D%26");
  CHECK(seen.at(0).headers.get("content-type") == "application/x-www-form-urlencoded");
  CHECK(seen.at(1).target == "/x?q=");
  CHECK(seen.at(1).headers.get("content-type") == "application/json");
  CHECK(seen.at(1).headers.get("authorization") == "Basic dXNlcjpwYXNzIHdvcmQ=");
  CHECK(seen.at(2).headers.get("authorization") == "Bearer abc");
}

TEST_CASE("base64 pads what is no multiple of three bytes") {
  CHECK(concur::base64("").empty());
  CHECK(concur::base64("f") == "Zg==");
  CHECK(concur::base64("fo") == "Zm8=");
  CHECK(concur::base64("foo") == "Zm9v");
  CHECK(concur::base64("\xff\xfe\xfd\xfc") == "//79/A==");
}

TEST_CASE("what could end a line too early, or lie about the body, is refused") {
  client_request request("GET", "http://127.0.0.1/");
  CHECK_THROWS_AS(request.header("X", "a\r\nY: b"), std::invalid_argument);
  CHECK_THROWS_AS(request.header("X: a\r\nY", "b"), std::invalid_argument);
  CHECK_THROWS_AS(request.header("Content-Length", "5"), std::invalid_argument);
  CHECK_THROWS_AS(request.add_header("transfer-encoding", "chunked"), std::invalid_argument);
  CHECK_THROWS_AS(client_request("GET / HTTP/1.1\r\nX:", "http://127.0.0.1/"), std::invalid_argument);
  CHECK_THROWS_AS(client_request("CONNECT", "http://127.0.0.1/"), std::invalid_argument);
  CHECK(request.headers().empty());
  http_client client(direct());
  CHECK_THROWS_AS(client.request(client_request("HEAD", "http://127.0.0.1/").body("x")), std::invalid_argument);
}

TEST_CASE("a status is a value until somebody wants success") {
  scripted_server server([](seen_request const& asked) {
    return asked.target == "/good" ? answer_of("yes", "", "204 No Content") : answer_of("no", "", "404 Not Found");
  });
  http_client client(direct());
  auto const missing = client.get(server.url("/x"));
  CHECK(missing.body() == "no");
  try {
    missing.ensure_success();
    FAIL("it was no success");
  } catch (concur::http_status_error const& error) {
    CHECK(error.status() == 404);
    CHECK(error.what() == "GET " + server.url("/x") + " was answered with 404 Not Found");
  }
}

TEST_CASE("any number of requests at the same time, on any number of loops, each with a client") {
  scripted_server server(echo);
  auto const work = [&] {
    http_client client(direct());
    auto const ask = [&](int i) -> task<bool> {
      auto const answer = co_await client.async_get(server.url('/' + std::to_string(i)));
      co_return answer.body() == "GET /" + std::to_string(i) + ' ';
    };
    auto const all = [&]() -> task<int> {
      int right = 0;
      for (int round = 0; round < 10; ++round) {
        std::vector<concur::future<bool>> running;
        for (int i = 0; i < 10; ++i) running.push_back(concur::spawn(ask(i)));
        for (auto& each : running) right += co_await each ? 1 : 0;
      }
      co_return right;
    };
    return concur::event_loop().run(all);
  };
  int elsewhere = 0;
  std::thread other([&] { elsewhere = work(); });
  int const here = work();
  other.join();
  CHECK(here == 100);
  CHECK(elsewhere == 100);
  CHECK(server.connections() <= 20);
}

}  // namespace
