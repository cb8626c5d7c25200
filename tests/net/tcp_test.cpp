// SPDX-License-Identifier: BSL-1.0
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>

#include "../io/stream_contract.hpp"
#include "../support/catch.hpp"
#include "../support/long_form.hpp"
#include "../support/open_descriptors.hpp"
#include "../support/reset_at_close.hpp"
#include "echo.hpp"

#include <concur/coro/sleep.hpp>
#include <concur/coro/spawn.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/coro/yield.hpp>
#include <concur/loop/run.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::endpoint;
using concur::ip_address;
using concur::listen_options;
using concur::run;
using concur::spawn;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;
using support::any_port;

struct tcp_pair {
  static contract::channel<tcp_stream> make() {
    tcp_listener listener(any_port());
    auto client = tcp_stream::connect(listener.local_endpoint());
    return {std::move(client), listener.accept()};
  }
};

struct tcp_pair_with_little_room {
  static contract::channel<tcp_stream> make() {
    constexpr int room = 16 * 1024;
    tcp_listener listener(any_port());
    listener.options().set(SOL_SOCKET, SO_RCVBUF, room);  // accepted ones have the same
    auto client = tcp_stream::connect(listener.local_endpoint());
    auto server = listener.accept();
    client.options().set(SOL_SOCKET, SO_SNDBUF, room);
    return {std::move(client), std::move(server)};
  }
};

/// A port at which nobody listens.
endpoint nobody() {
  tcp_listener gone(any_port());
  return gone.local_endpoint();
}

int error_of(task<> failing) {
  try {
    run(std::move(failing));
  } catch (std::system_error const& error) {
    return error.code().value();
  }
  return 0;
}

}  // namespace

static_assert(concur::async_byte_stream<tcp_stream>);

TEST_CASE("tcp_stream: the contract of streams", "[tcp]") { contract::all<tcp_pair>(); }
TEST_CASE("tcp_stream: the contract of streams, by single bytes", "[tcp]") {
  contract::all<contract::dripping<tcp_pair_with_little_room>>();
}

TEST_CASE("tcp_stream: connects in a coroutine", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const talk = [&]() -> task<> {
    auto accepting = spawn([&]() -> task<tcp_stream> { co_return co_await listener.async_accept(); });
    auto client = co_await tcp_stream::async_connect(at);
    auto server = co_await std::move(accepting);
    CHECK(client.remote_endpoint() == at);
    CHECK(client.local_endpoint() == server.remote_endpoint());
    CHECK(client.no_delay());
    CHECK(server.no_delay());
    co_await client.async_write("hello");
    std::array<char, 5> space{};
    auto const count = co_await server.async_read(space);
    CHECK(std::string_view(space.data(), count) == "hello");
  };
  run(talk());
}

TEST_CASE("tcp_stream: nobody listens there, and the error says where", "[tcp]") {
  auto const at = nobody();
  auto const connect = [&]() -> task<> { co_await tcp_stream::async_connect(at); };
  CHECK(error_of(connect()) == ECONNREFUSED);
  try {
    tcp_stream::connect(at);
    FAIL("connected to nobody");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == ECONNREFUSED);
    CHECK(std::string(error.what()).find(at.to_string()) != std::string::npos);
  }
}

TEST_CASE("tcp_stream: half of it can be shut", "[tcp]") {
  auto ends = tcp_pair::make();
  auto const talk = [&]() -> task<> {
    co_await ends.a.async_write("question");
    ends.a.shutdown_write();
    std::array<char, 100> space{};
    auto const asked = co_await ends.b.async_read(space);
    CHECK(asked == 8);
    co_await ends.b.async_write("answer");
    ends.b.close();
    auto const answered = co_await ends.a.async_read(space);
    CHECK(answered == 6);
  };
  run(talk());
}

TEST_CASE("tcp_stream: a reset is an error of the next read", "[tcp]") {
  auto ends = tcp_pair::make();
  support::reset_at_close(ends.a);
  auto const read = [&]() -> task<> {
    std::array<char, 10> space{};
    auto resetting = spawn([&]() -> task<> {
      co_await concur::yield();
      ends.a.close();
    });
    co_await ends.b.async_read_some(space);
  };
  CHECK(error_of(read()) == ECONNRESET);
}

TEST_CASE("tcp_stream: an abort is no end of the stream", "[tcp]") {
  auto ends = tcp_pair::make();
  ends.a.write("what has gone out");
  ends.a.abort();
  CHECK_FALSE(ends.a.is_open());
  ends.a.abort();
  auto const read_all = [&]() -> task<> {
    std::array<char, 10> space{};
    while (auto const count = co_await ends.b.async_read_some(space)) static_cast<void>(count);
  };
  CHECK(error_of(read_all()) == ECONNRESET);
}

// After such a mark a stream gives less than it was asked for, although it has more.
TEST_CASE("tcp_stream: urgent data does not make a reader wait for what is there", "[tcp]") {
  auto ends = tcp_pair::make();
  auto const talk = [&]() -> task<std::size_t> {
    std::array<char, 100> space{};
    std::size_t total = 0;
    auto reading = spawn([&]() -> task<> {
      while (auto const count = co_await ends.b.async_read_some(space)) total += count;
    });
    co_await concur::yield();
    co_await ends.a.async_write("before");
    CHECK(::send(ends.a.fd(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
    co_await ends.a.async_write("after");
    // Once it has come, nothing else comes that could wake the reader.
    for (int i = 0; i < 1000 && total < 11; ++i) co_await concur::sleep_for(1ms);
    std::size_t const before_end = total;
    ends.a.close();
    co_await std::move(reading);
    co_return before_end;
  };
  CHECK(run(talk()) == 11);
}

TEST_CASE("tcp_listener: limits and stops", "[tcp]") {
  tcp_listener listener(any_port());
  CHECK_FALSE(listener.try_accept());
  CHECK_FALSE(listener.try_accept_for(1ms));
  CHECK_FALSE(listener.try_accept_until(std::chrono::steady_clock::now()));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(listener.accept(stop.get_token()));
  stopper.join();
  auto const client = tcp_stream::try_connect_for(listener.local_endpoint(), 10s);
  REQUIRE(client);
  CHECK(listener.try_accept_for(10s));
}

TEST_CASE("tcp_listener: a cancelled accept loses no connection", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const accept_all = [&]() -> task<int> {
    constexpr int wanted = 100;
    auto connecting = spawn([&]() -> task<> {
      std::vector<tcp_stream> clients;
      for (int i = 0; i < wanted; ++i) {
        clients.push_back(co_await tcp_stream::async_connect(at));
        if (i % 5 == 0) co_await concur::sleep_for(100us);
      }
    });
    int accepted = 0;
    while (accepted < wanted) {
      auto const one = co_await concur::move_on_after(20us, listener.async_accept());
      accepted += one.has_value();
    }
    co_await std::move(connecting);
    auto const more = co_await concur::move_on_after(1ms, listener.async_accept());
    co_return accepted + (more ? 1 : 0);
  };
  CHECK(run(accept_all()) == 100);
}

TEST_CASE("tcp_listener: a port that is taken is an error that says which", "[tcp]") {
  tcp_listener const first(any_port());
  auto const at = first.local_endpoint();
  try {
    tcp_listener second(at);
    FAIL("two listeners at one port");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == EADDRINUSE);
    CHECK(std::string(error.what()).find(at.to_string()) != std::string::npos);
  }
}

TEST_CASE("tcp_listener: several share a port", "[tcp]") {
  tcp_listener first(any_port(), listen_options().share_port());
  auto const at = first.local_endpoint();
  tcp_listener second(at, listen_options().share_port());
  std::vector<tcp_stream> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(tcp_stream::connect(at));
  int accepted[2] = {};
  while (first.try_accept()) ++accepted[0];
  while (second.try_accept()) ++accepted[1];
  CHECK(accepted[0] + accepted[1] == 64);
  CHECK(accepted[0] > 0);
  CHECK(accepted[1] > 0);
}

TEST_CASE("tcp_listener: IPv6, with and without IPv4", "[tcp]") {
  std::optional<tcp_listener> both;
  try {
    both.emplace(endpoint(ip_address::any_v6(), 0));
  } catch (std::system_error const&) {
    WARN("no IPv6 here");
    return;
  }
  auto const port = both->local_endpoint().port();
  tcp_stream::connect(endpoint(ip_address::loopback_v6(), port));
  tcp_stream::connect(endpoint(ip_address::loopback_v4(), port));
  tcp_listener const only(endpoint(ip_address::any_v6(), 0), listen_options().only_v6());
  CHECK_THROWS_AS(tcp_stream::connect(endpoint(ip_address::loopback_v4(), only.local_endpoint().port())),
                  std::system_error);
}

/// Trap I1: a number that is closed and opened again never gets what was meant for the old file.
TEST_CASE("tcp_stream: numbers that are used again, inside callbacks", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const churn = [&]() -> task<int> {
    int wrong = 0;
    int used_again = 0;
    for (int round = 0; round < 2000; ++round) {
      auto old = co_await tcp_stream::async_connect(at);
      auto old_peer = co_await listener.async_accept();
      std::array<char, 8> space{};
      // Registered, with an event on its way when it is closed.
      auto waiting = spawn([&]() -> task<bool> {
        try {
          co_await old.async_read_some(space);
        } catch (std::system_error const& error) {
          co_return error.code().value() == ECANCELED;
        }
        co_return true;
      });
      co_await concur::yield();
      int const number = old.fd();
      old_peer.write("old");
      old.close();
      auto fresh = co_await tcp_stream::async_connect(at);
      auto fresh_peer = co_await listener.async_accept();
      auto const early = co_await concur::move_on_after(0s, fresh.async_read_some(space));
      wrong += early.has_value();
      used_again += fresh.fd() == number;
      co_await fresh_peer.async_write("new");
      auto const count = co_await fresh.async_read_some(space);
      wrong += std::string_view(space.data(), count) != "new";
      bool const told = co_await std::move(waiting);
      wrong += !told;
    }
    CHECK(used_again > 0);  // somebody else may open a descriptor at the wrong moment
    co_return wrong;
  };
  CHECK(run(churn()) == 0);
}

TEST_CASE("tcp: connections leave no descriptor behind", "[tcp]") {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  auto const come_and_go = [&](int count) -> task<> {
    for (int i = 0; i < count; ++i) {
      auto client = co_await tcp_stream::async_connect(at);
      auto server = co_await listener.async_accept();
      co_await client.async_write("x");
      std::array<char, 1> space{};
      co_await server.async_read(space);
    }
  };
  run(come_and_go(10));
  auto const before = support::open_sockets();
  run(come_and_go(support::long_form() ? 100'000 : 5'000));
  CHECK(support::open_sockets() == before);
}
