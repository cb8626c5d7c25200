// SPDX-License-Identifier: BSL-1.0
//
// What servers may do to a client: lie about lengths, stall, redirect in circles, close early, say too much.
#include <concur/http/client.hpp>

#include "../support/catch.hpp"
#include "../support/temporary_directory.hpp"
#include "scripted_server.hpp"

#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::client_options;
using concur::client_request;
using concur::http_client;
using concur::make_curl_error;
using concur::run;
using concur::task;
using support::answer_of;
using support::scripted;
using support::scripted_server;
using support::seen_request;
using support::then;

client_options direct() { return client_options().without_proxy(); }

struct failure {
  std::error_code code;
  std::string text;
};

/// What a request throws, in a thread and in a coroutine: the same.
failure failure_of(http_client& client, client_request const& what) {
  failure in_thread;
  failure in_task;
  try {
    client.request(what);
  } catch (std::system_error const& error) {
    in_thread = {error.code(), error.what()};
  }
  auto const ask = [&]() -> task<> { co_await client.async_request(what); };
  try {
    run(ask);
  } catch (std::system_error const& error) {
    in_task = {error.code(), error.what()};
  }
  CHECK(in_thread.code == in_task.code);
  return in_thread;
}
failure failure_of(http_client& client, std::string url) {
  return failure_of(client, client_request("GET", std::move(url)));
}

/// A server that says this to the first request of each connection, whatever was asked.
scripted_server::script always(std::string text, then next = then::close) {
  return [answer = scripted(std::move(text), next)](seen_request const&) { return answer; };
}

TEST_CASE("a body that is shorter than was said is an error with the URL in it") {
  scripted_server server(always("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5"));
  http_client client(direct());
  auto const got = failure_of(client, server.url("/short"));
  CHECK(got.code == make_curl_error(CURLE_PARTIAL_FILE));
  CHECK(got.text.starts_with("GET " + server.url("/short") + " ("));
  CHECK(got.text.ends_with(": the answer is cut off"));
}

TEST_CASE("what comes behind a body is not the answer to the next request") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target == "/long") {
      return scripted(
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfive5HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    }
    return answer_of("good");
  });
  http_client client(direct());
  for (int i = 0; i < 20; ++i) {
    CHECK(client.get(server.url("/long")).body() == "five5");
    CHECK(client.get(server.url("/next")).body() == "good");
  }
}

TEST_CASE("every end that comes too early is an error, wherever it comes") {
  std::string const whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive5\r\n0\r\n\r\n";
  auto const next = GENERATE(then::close, then::reset);
  // So much of it as the target says.
  scripted_server server(
      [&](seen_request const& asked) { return scripted(whole.substr(0, std::stoul(asked.target.substr(1))), next); });
  http_client client(direct());
  // All but the last byte, which says nothing new.
  for (std::size_t length = 0; length < whole.size() - 1; ++length) {
    CAPTURE(length);
    std::optional<int> status;
    try {
      status = client.get(server.url('/' + std::to_string(length))).status();
    } catch (std::system_error const& error) {
      CHECK(error.code().category() == concur::curl_category());
    }
    CHECK_FALSE(status);
  }
  auto const all = '/' + std::to_string(whole.size());
  if (next == then::close) CHECK(client.get(server.url(all)).body() == "five5");
}

TEST_CASE("what is no HTTP is an error") {
  for (char const* const nonsense : {
           "hello\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
           "\x16\x03\x01",
       }) {
    CAPTURE(nonsense);
    scripted_server server(always(nonsense));
    http_client client(direct());
    CHECK(failure_of(client, server.url("/")).code.category() == concur::curl_category());
  }
}

TEST_CASE("a server that says nothing is left when the time has come") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target == "/silent") return scripted("", then::stall);
    if (asked.target == "/head") return scripted("HTTP/1.1 200 OK\r\n", then::stall);
    return scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5", then::stall);
  });
  http_client client(direct().timeout(20ms));
  for (char const* const path : {"/silent", "/head", "/body"}) {
    auto const got = failure_of(client, server.url(path));
    CHECK(got.code == std::errc::timed_out);
    CHECK(got.text.starts_with("GET " + server.url(path)));
    server.ended.acquire();  // the connections have been closed
    server.ended.acquire();
  }
  auto const spent = failure_of(client, client_request("GET", server.url("/silent")).timeout(-1s));
  CHECK(spent.code == std::errc::timed_out);
}

TEST_CASE("a server that stalls is left when the limit for that has passed") {
  scripted_server server(always("", then::stall));
  http_client client(direct().stall_timeout(1s));
  bool in_time = true;
  try {
    client.get(server.url("/"));
  } catch (std::system_error const& error) {
    in_time = error.code() != std::errc::timed_out;
  }
  CHECK_FALSE(in_time);
}

TEST_CASE("a host where nobody listens, or that has no name, is an error that says so") {
  concur::endpoint nobody;
  {
    concur::tcp_listener const gone(concur::endpoint::parse("127.0.0.1:0"));
    nobody = gone.local_endpoint();
  }
  http_client client(direct());
  auto const refused = failure_of(client, "http://" + nobody.to_string() + "/");
  CHECK(refused.code == make_curl_error(CURLE_COULDNT_CONNECT));
  CHECK(refused.text.ends_with(": no connection to the host"));
  auto const secret = failure_of(client, "http://user:secret@" + nobody.to_string() + "/");
  CHECK(secret.text.find("secret") == secret.text.npos);
  CHECK(failure_of(client, "nonsense://x/").code == make_curl_error(CURLE_UNSUPPORTED_PROTOCOL));
  CHECK(failure_of(client, "file:///etc/passwd").code == make_curl_error(CURLE_UNSUPPORTED_PROTOCOL));
  CHECK(failure_of(client, "http://a b/").code == std::errc::invalid_argument);
  CHECK(failure_of(client, "").code == std::errc::invalid_argument);
}

scripted redirect(std::string const& to, std::string_view status = "302 Found") {
  return answer_of("elsewhere", "Location: " + to + "\r\n", status);
}

TEST_CASE("redirects are followed up to the limit, and not at all by choice") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target.starts_with("/down/")) {
      int const left = std::stoi(asked.target.substr(6));
      return left == 0 ? answer_of("there") : redirect("/down/" + std::to_string(left - 1));
    }
    return redirect("/round");
  });
  http_client client(direct());
  auto const there = client.get(server.url("/down/10"));
  CHECK(there.body() == "there");
  CHECK(there.redirects() == 10);
  CHECK(there.url() == server.url("/down/0"));
  CHECK(failure_of(client, server.url("/down/11")).code == make_curl_error(CURLE_TOO_MANY_REDIRECTS));
  auto const round = failure_of(client, server.url("/start"));
  CHECK(round.code == make_curl_error(CURLE_TOO_MANY_REDIRECTS));
  CHECK(round.text.find(", sent on to " + server.url("/round")) != round.text.npos);

  auto const not_followed = client.request(client_request("GET", server.url("/start")).without_redirects());
  CHECK(not_followed.status() == 302);
  CHECK(not_followed.body() == "elsewhere");
  CHECK(not_followed.headers().get("location") == "/round");
  CHECK(client.request(client_request("GET", server.url("/down/11")).max_redirects(11)).ok());
  CHECK(client.open(client_request("GET", server.url("/down/3"))).status() == 200);
}

TEST_CASE("a redirect leads to http and https only") {
  scripted_server server([](seen_request const&) { return redirect("file:///etc/passwd"); });
  http_client client(direct());
  CHECK(failure_of(client, server.url("/")).code == make_curl_error(CURLE_UNSUPPORTED_PROTOCOL));
}

TEST_CASE("after 303 it goes on with GET, after 307 with the same request") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target == "/303") return redirect("/there", "303 See Other");
    if (asked.target == "/307") return redirect("/there", "307 Temporary Redirect");
    return answer_of(asked.method + ' ' + asked.body);
  });
  http_client client(direct());
  for (std::string const method : {"POST", "PUT", "PATCH", "DELETE"}) {
    CAPTURE(method);
    CHECK(client.request(client_request(method, server.url("/303")).body("x")).body() == "GET ");
    CHECK(client.request(client_request(method, server.url("/307")).body("x")).body() == method + " x");
  }
  CHECK(client.request(client_request("DELETE", server.url("/303"))).body() == "GET ");
  CHECK(client.get(server.url("/303")).body() == "GET ");
  CHECK(client.head(server.url("/303")).ok());
  CHECK(server.seen().back().method == "HEAD");
}

TEST_CASE("after 301 and 302 it goes on with GET if it was a POST, else with the same request") {
  auto const status = GENERATE("301 Moved Permanently", "302 Found");
  scripted_server server([&](seen_request const& asked) {
    return asked.target == "/there" ? answer_of(asked.method + ' ' + asked.body) : redirect("/there", status);
  });
  http_client client(direct());
  CHECK(client.request(client_request("POST", server.url("/")).body("x")).body() == "GET ");
  for (std::string const method : {"PUT", "PATCH", "DELETE", "GET"}) {
    CAPTURE(method);
    CHECK(client.request(client_request(method, server.url("/")).body("x")).body() == method + " x");
  }
  CHECK(client.request(client_request("DELETE", server.url("/"))).body() == "DELETE ");
}

TEST_CASE("passwords are not passed on to another host") {
  scripted_server other([](seen_request const&) { return answer_of(""); });
  scripted_server server([&](seen_request const&) { return redirect(other.url("/")); });
  http_client client(direct());
  client.request(client_request("GET", server.url("/")).basic_auth("a", "b").header("Cookie", "c=d"));
  CHECK(server.seen().at(0).headers.contains("authorization"));
  CHECK_FALSE(other.seen().at(0).headers.contains("authorization"));
  CHECK_FALSE(other.seen().at(0).headers.contains("cookie"));
}

TEST_CASE("an answer that is too large for memory ends there") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target == "/said") return answer_of(std::string(101, 'x'));
    if (asked.target == "/right") return answer_of(std::string(100, 'x'));
    return scripted("HTTP/1.1 200 OK\r\n\r\n" + std::string(60, 'x'), then::pour);
  });
  http_client client(direct().max_body(100));
  for (char const* const path : {"/said", "/endless"}) {
    auto const got = failure_of(client, server.url(path));
    CHECK(got.code == std::errc::file_too_large);
    CHECK(got.text == "GET " + server.url(path) + " (more than 100 bytes): the answer is too large");
  }
  CHECK(client.get(server.url("/right")).body().size() == 100);
  CHECK(client.request(client_request("GET", server.url("/said")).max_body(101)).ok());
}

// "hello, compressed world", by gzip.
constexpr std::string_view compressed(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\xce\xcf\x2d\x28\x4a\x2d\x2e\x4e\x4d\x51"
    "\x28\xcf\x2f\xca\x49\x01\x00\x08\x9e\x34\x35\x17\x00\x00\x00",
    43);

TEST_CASE("bodies are decompressed, and counted as what they are then") {
  scripted_server server([](seen_request const& asked) {
    bool const wanted = asked.headers.get("accept-encoding").find("gzip") != std::string_view::npos;
    return answer_of(compressed, wanted ? "Content-Encoding: gzip\r\n" : "");
  });
  http_client client(direct().max_body(23));
  CHECK(client.get(server.url("/")).body() == "hello, compressed world");
  CHECK(failure_of(client, client_request("GET", server.url("/")).max_body(22)).code == std::errc::file_too_large);
  http_client plain(direct().without_decompression());
  CHECK(plain.get(server.url("/")).body() == compressed);
}

TEST_CASE("a proxy is asked for what the URL says") {
  scripted_server proxy([](seen_request const& asked) { return answer_of(asked.target); });
  http_client client(client_options().proxy(proxy.url("")));
  CHECK(client.get("http://example.invalid/x").body() == "http://example.invalid/x");
}

TEST_CASE("header fields without an end are an error") {
  auto const line = GENERATE(std::string("X-Tag: ") + std::string(1000, 'x') + "\r\n", std::string(1000, 'x'),
                             std::string("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"));
  scripted_server server([&](seen_request const&) { return scripted("HTTP/1.1 100 Continue\r\n" + line, then::pour); });
  http_client client(direct());
  CHECK(failure_of(client, server.url("/")).code.category() == concur::curl_category());
}

TEST_CASE("interim answers and fields behind the body are no answers") {
  scripted_server server([](seen_request const&) {
    return scripted(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nHTTP/1.1 302: y\r\nLocation: z\r\n\r\n");
  });
  http_client client(direct());
  auto const answer = client.get(server.url("/"));
  CHECK(answer.status() == 200);
  CHECK(answer.body() == "x");
  CHECK_FALSE(answer.headers().contains("link"));
}

TEST_CASE("an error that is told while the request is sent is the answer") {
  scripted_server server([](seen_request const& asked) {
    return asked.body.size() > 10 ? answer_of("no", "", "413 Content Too Large") : answer_of("yes");
  });
  http_client client(direct());
  CHECK(client.post(server.url("/"), std::string(5'000'000, 'x')).status() == 413);
}

TEST_CASE("a connection that the server has closed meanwhile is no error of the next request") {
  scripted_server server([](seen_request const&) {
    auto answer = answer_of("x");
    answer.next = then::close;
    return answer;
  });
  http_client client(direct());
  for (int i = 1; i <= 20; ++i) {
    CHECK(client.get(server.url("/")).body() == "x");
    server.ended.acquire();
  }
  CHECK(server.connections() == 20);
}

std::string text_of(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST_CASE("a download is there when all of it is, and otherwise nothing is") {
  scripted_server server([](seen_request const& asked) {
    if (asked.target == "/good") return answer_of(std::string(1'000'000, 'x'));
    if (asked.target == "/none") return answer_of("no such thing", "", "404 Not Found");
    return scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5", then::close);
  });
  support::temporary_directory const here;
  http_client client(direct());
  auto const file = std::filesystem::path(here / "file");
  auto const count = [&] {
    return std::distance(std::filesystem::directory_iterator(file.parent_path()),
                         std::filesystem::directory_iterator());
  };
  CHECK_THROWS_AS(client.download(server.url("/short"), file), std::system_error);
  CHECK(client.download(server.url("/none"), file).status() == 404);
  CHECK(count() == 0);
  CHECK(client.download(server.url("/good"), file).ok());
  CHECK(text_of(file) == std::string(1'000'000, 'x'));
  CHECK_THROWS_AS(client.download(server.url("/short"), file), std::system_error);
  CHECK(text_of(file).size() == 1'000'000);

  auto const other = file.string() + ".2";
  auto const fetch = [&]() -> task<int> {
    auto const answer = co_await client.async_download(server.url("/good"), other);
    co_return answer.status();
  };
  CHECK(run(fetch) == 200);
  CHECK(text_of(other).size() == 1'000'000);
  CHECK(count() == 2);
  std::string text;
  try {
    client.download(server.url("/good"), "/nowhere/at/all");
  } catch (std::system_error const& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    text = error.what();
  }
  CHECK(text.starts_with("creating /nowhere/at/all: "));
}

}  // namespace
