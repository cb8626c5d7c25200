// SPDX-License-Identifier: BSL-1.0
//
// Answers that are read while they come, and requests that are given up at every moment.
#include <concur/http/client.hpp>

#include "../support/catch.hpp"
#include "../support/failing_new.hpp"
#include "../support/temporary_directory.hpp"
#include "scripted_server.hpp"

#include <concur/coro/gather.hpp>
#include <concur/coro/shield.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffered_reader.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
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
using concur::http_client;
using concur::run;
using concur::spawn;
using concur::task;
using support::answer_of;
using support::scripted;
using support::scripted_server;
using support::seen_request;
using support::then;

client_options direct() { return client_options().without_proxy(); }

std::string numbered(std::size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size()) + '\n';
  text.resize(size);
  return text;
}

/// Some answers that never come to their end, by the target.
scripted unfinished(seen_request const& asked) {
  if (asked.target == "/silent") return scripted("", then::stall);
  if (asked.target == "/head") return scripted("HTTP/1.1 200 OK\r\nContent-Le", then::stall);
  if (asked.target == "/body") return scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5", then::stall);
  if (asked.target == "/endless") return scripted("HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x'), then::pour);
  // Little at a time: what is kept in memory does not come to its limit before it is given up.
  if (asked.target == "/slow") return scripted("HTTP/1.1 200 OK\r\n\r\n", then::pour);
  return answer_of(asked.target);
}
constexpr std::array<char const*, 4> unfinished_targets{"/silent", "/head", "/body", "/slow"};

TEST_CASE("a body comes piece by piece, in threads and in coroutines, to readers and functions") {
  auto const text = numbered(3'000'000);
  scripted_server server([&](seen_request const&) { return answer_of(text); });
  http_client client(direct().read_ahead(1000));
  client_request const what("GET", server.url("/"));

  std::string read;
  auto answer = client.open(what);
  CHECK(answer.status() == 200);
  CHECK(answer.headers().get("content-length") == "3000000");
  while (auto const piece = answer.next()) read += *piece;
  CHECK(read == text);
  CHECK_FALSE(answer.next());

  read.clear();
  std::array<char, 777> space{};
  answer = client.open(what);
  while (auto const count = answer.read_some(space)) read.append(space.data(), count);
  CHECK(read == text);

  read.clear();
  auto const add = [&](std::string_view piece) { read += piece; };
  CHECK(client.stream(what, add).ok());
  CHECK(read == text);

  auto const in_coroutines = [&]() -> task<int> {
    int right = 0;
    read.clear();
    auto opened = co_await client.async_open(what);
    while (auto const piece = co_await opened.async_next()) read += *piece;
    if (read == text) ++right;
    read.clear();
    co_await client.async_stream(what, add);
    if (read == text) ++right;
    read.clear();
    auto const add_later = [&](std::string_view piece) -> task<> {
      co_await concur::yield();
      read += piece;
    };
    co_await client.async_stream(what, add_later);
    if (read == text) ++right;
    concur::buffered_reader lines(co_await client.async_open(what));
    std::size_t count = 0;
    while (auto const line = co_await lines.async_read_line()) count += line->size() + 1;
    if (count == text.size() + 1 || count == text.size()) ++right;
    co_return right;
  };
  CHECK(run(in_coroutines) == 4);
  CHECK(server.connections() == 3);  // two that are open at a time, and the loop's
}

TEST_CASE("head and pieces come when they are there, not at the end") {
  scripted_server server(unfinished);
  http_client client(direct());
  auto const ask = [&]() -> task<std::string> {
    auto opened = co_await client.async_open(client_request("GET", server.url("/body")));
    auto const piece = co_await opened.async_next();
    co_return std::to_string(opened.status()) + *piece;
  };
  CHECK(run(ask) == "200five5");
  auto opened = client.open(client_request("GET", server.url("/body")));
  CHECK(opened.next() == "five5");
}

TEST_CASE("a host that says more than is read waits") {
  scripted_server server(unfinished);
  http_client client(direct().read_ahead(10'000));
  auto const ask = [&]() -> task<bool> {
    auto opened = co_await client.async_open(client_request("GET", server.url("/endless")));
    // Others go on meanwhile, and drive this one as well.
    for (int i = 0; i < 300; ++i) {
      auto const other = co_await client.async_get(server.url("/x"));
      if (other.body() != "/x") co_return false;
    }
    std::size_t read = 0;
    auto const first = co_await opened.async_next();
    read += first->size();
    bool const held = first->size() <= 10'000 + CURL_MAX_WRITE_SIZE;
    while (read < 20'000'000) {
      auto const next = co_await opened.async_next();
      read += next->size();
    }
    co_return held;
  };
  CHECK(run(ask));
}

TEST_CASE("an error in the body comes behind what was read before it") {
  scripted_server server(
      [](seen_request const&) { return scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5", then::close); });
  http_client client(direct());
  auto opened = client.open(client_request("GET", server.url("/")));
  CHECK(opened.next() == "five5");
  CHECK_THROWS_AS(opened.next(), std::system_error);
  CHECK_THROWS_AS(opened.next(), std::system_error);
  opened.close();
  CHECK_THROWS_AS(opened.next(), std::system_error);
  CHECK(opened.status() == 200);
}

TEST_CASE("what a function throws ends the transfer and comes out") {
  scripted_server server(unfinished);
  http_client client(direct());
  auto const refuse = [](std::string_view) { throw std::runtime_error("no more"); };
  client_request const what("GET", server.url("/endless"));
  CHECK_THROWS_AS(client.stream(what, refuse), std::runtime_error);
  server.ended.acquire();
  auto const ask = [&]() -> task<> { co_await client.async_stream(what, refuse); };
  CHECK_THROWS_AS(run(ask), std::runtime_error);
  server.ended.acquire();
}

TEST_CASE("an answer is read in the way in which it was opened") {
  scripted_server server(unfinished);
  http_client client(direct());
  client_request const what("GET", server.url("/x"));
  auto const ask = [&]() -> task<> {
    auto opened = co_await client.async_open(what);
    CHECK_THROWS_AS(opened.next(), concur::misuse);
    auto other = client.open(what);
    auto const mixed = [&]() -> task<> { co_await other.async_next(); };
    bool refused = false;
    try {
      co_await mixed();
    } catch (concur::misuse const&) {
      refused = true;
    }
    CHECK(refused);
  };
  run(ask);
}

TEST_CASE("a stop ends a blocking request and closes its connection") {
  scripted_server server(unfinished);
  http_client client(direct());
  for (char const* const target : unfinished_targets) {
    CAPTURE(target);
    std::stop_source source;
    std::thread stopper([&] {
      server.answered.acquire();
      source.request_stop();
    });
    CHECK_FALSE(client.request(client_request("GET", server.url(target)), source.get_token()));
    stopper.join();
    server.ended.acquire();
  }
  std::stop_source stopped;
  stopped.request_stop();
  CHECK_FALSE(client.request(client_request("GET", server.url("/silent")), stopped.get_token()));
  CHECK(client.get(server.url("/x")).body() == "/x");
}

/// What is cancelled where: in so many rounds of the loop, or when the server has said its piece.
template <class Start>
task<bool> ends_when_cancelled(scripted_server& server, Start start, std::optional<int> rounds) {
  auto running = start();
  if (rounds) {
    for (int i = 0; i < *rounds && !running.done(); ++i) co_await concur::yield();
  } else {
    co_await server.answered.async_acquire();
  }
  running.cancel();
  try {
    co_await std::move(running);
  } catch (concur::cancelled const&) {
    co_return true;
  }
  co_return false;
}

TEST_CASE("a cancel closes the transfer, wherever it is, and harms no other") {
  scripted_server server(unfinished);
  http_client client(direct());
  auto const body_of = [&](char const* target) -> task<std::string> {
    auto const answer = co_await client.async_get(server.url(target));
    co_return answer.body();
  };
  auto const read_to_the_end = [&](char const* target) -> task<std::string> {
    auto opened = co_await client.async_open(client_request("GET", server.url(target)));
    std::string last;
    while (auto piece = co_await opened.async_next()) last = std::move(*piece);
    co_return last;
  };
  auto const all = [&]() -> task<int> {
    int wrong = 0;
    for (char const* const target : unfinished_targets) {
      auto const get = [&] { return spawn(body_of(target)); };
      auto const read = [&] { return spawn(read_to_the_end(target)); };
      // Another one before it and behind it: one of the three leads.
      for (int rounds = -1; rounds < 40; ++rounds) {
        auto const when = rounds < 0 ? std::nullopt : std::optional<int>(rounds);
        auto before = spawn(body_of("/before"));
        bool const got = co_await ends_when_cancelled(server, get, when);
        auto behind = spawn(body_of("/behind"));
        bool const was_read = co_await ends_when_cancelled(server, read, when);
        auto const first = co_await std::move(before);
        auto const second = co_await std::move(behind);
        if (!got || !was_read || first != "/before" || second != "/behind") ++wrong;
      }
    }
    co_return wrong;
  };
  CHECK(run(all) == 0);
}

TEST_CASE("a cancel of a download leaves no file") {
  scripted_server server(unfinished);
  support::temporary_directory const here;
  http_client client(direct());
  auto const path = here / "file";
  auto const fetch = [&]() -> task<> { co_await client.async_download(server.url("/slow"), path); };
  auto const start = [&] { return spawn(fetch()); };
  auto const all = [&]() -> task<bool> { co_return co_await ends_when_cancelled(server, start, std::nullopt); };
  CHECK(run(all));
  CHECK(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
  server.ended.acquire();
}

TEST_CASE("a task that is cancelled asks nothing") {
  scripted_server server(unfinished);
  http_client client(direct());
  auto const ask = [&]() -> task<> { co_await client.async_get(server.url("/x")); };
  auto const all = [&]() -> task<bool> {
    auto const start = [&] { return spawn(ask()); };
    co_return co_await ends_when_cancelled(server, start, 0);
  };
  CHECK(run(all));
  CHECK(server.seen().empty());
}

TEST_CASE("a request in a shield goes on when everything around it is cancelled") {
  scripted_server server(unfinished);
  http_client client(direct());
  std::string got;
  auto const save = [&]() -> task<> {
    auto const answer = co_await client.async_get(server.url("/saved"));
    got = answer.body();
  };
  auto const with_care = [&]() -> task<> {
    try {
      co_await client.async_get(server.url("/silent"));
    } catch (concur::cancelled const&) {
    }
    co_await concur::shield(save());
  };
  auto const all = [&]() -> task<> {
    auto running = spawn(with_care());
    co_await server.answered.async_acquire();
    running.cancel();
    try {
      co_await std::move(running);
    } catch (concur::cancelled const&) {
    }
    while (got.empty()) co_await concur::yield();
  };
  run(all);
  CHECK(got == "/saved");
}

TEST_CASE("time limits of the caller's are cancels") {
  scripted_server server(unfinished);
  http_client client(direct());
  for (char const* const target : unfinished_targets) {
    auto const ask = [&]() -> task<> { co_await client.async_get(server.url(target)); };
    auto const limited = [&]() -> task<> { co_await concur::timeout(5ms, ask()); };
    CHECK_THROWS_AS(run(limited), concur::timed_out);
  }
}

/// Whether memory ran out in `work`, at its k-th allocation, which is an error and spoils nothing.
template <class Work>
bool survives_shortage(int k, Work work) {
  support::failing_new const shortage(k);
  try {
    work();
  } catch (std::bad_alloc const&) {
  }
  return shortage.happened();
}

TEST_CASE("memory may run out at every step") {
  auto const text = numbered(100'000);
  scripted_server server([&](seen_request const& asked) {
    if (asked.target == "/from") return answer_of("", "Location: /to\r\n", "303 See Other");
    return answer_of(text);
  });
  http_client client(direct().read_ahead(1000));
  auto const from = server.url("/from");
  auto const request = [&] { client.post(from, "x", "text/plain"); };
  auto const read = [&] {
    auto opened = client.open(client_request("GET", from));
    while (auto const piece = opened.next()) {
    }
  };
  auto const ask = [&]() -> task<> { co_await client.async_get(from); };
  auto const read_in_task = [&]() -> task<> {
    auto opened = co_await client.async_open(client_request("GET", from));
    while (auto const piece = co_await opened.async_next()) {
    }
  };
  concur::event_loop loop;
  int count = 0;
  for (int k = 1; survives_shortage(k, request); ++k) ++count;
  for (int k = 1; survives_shortage(k, read); ++k) ++count;
  for (int k = 1; survives_shortage(k, [&] { loop.run(ask()); }); ++k) ++count;
  for (int k = 1; survives_shortage(k, [&] { loop.run(read_in_task()); }); ++k) ++count;
  CHECK((count > 20 || !support::failing_new::available()));
  CHECK(client.get(from).body() == text);
}

TEST_CASE("one loop after the other may use a client, with the same connections") {
  scripted_server server(unfinished);
  http_client client(direct());
  for (int i = 0; i < 10; ++i) {
    auto const ask = [&]() -> task<std::string> {
      auto const answer = co_await client.async_get(server.url("/x"));
      co_return answer.body();
    };
    CHECK(concur::event_loop().run(ask) == "/x");
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("threads may call one client at the same time, and connections are used again") {
  scripted_server server(unfinished);
  http_client client(direct());
  std::atomic<int> right{0};
  auto const work = [&] {
    for (int i = 0; i < 50; ++i) right += client.get(server.url("/x")).body() == "/x" ? 1 : 0;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work);
  for (auto& each : threads) each.join();
  CHECK(right == 150);
  CHECK(server.connections() <= 3);
}

TEST_CASE("no more connections to a host than were allowed, and the others wait") {
  scripted_server server(unfinished);
  http_client client(direct().connections_per_host(2));
  auto const ask = [&](int i) -> task<bool> {
    auto const target = '/' + std::to_string(i);
    auto const answer = co_await client.async_get(server.url(target));
    co_return answer.body() == target;
  };
  auto const all = [&]() -> task<int> {
    std::vector<concur::future<bool>> running;
    for (int i = 0; i < 50; ++i) running.push_back(spawn(ask(i)));
    running.at(7).cancel();
    int right = 0;
    for (auto& each : running) {
      try {
        bool const good = co_await std::move(each);
        right += good ? 1 : 0;
      } catch (concur::cancelled const&) {
      }
    }
    co_return right;
  };
  CHECK(run(all) == 49);
  CHECK(server.connections() <= 2);
}

}  // namespace
