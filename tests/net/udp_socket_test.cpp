// SPDX-License-Identifier: BSL-1.0
#include <concur/net/udp_socket.hpp>

#include "../support/catch.hpp"
#include "../support/refusals.hpp"

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
#include <net/if.h>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using concur::bind_options;
using concur::endpoint;
using concur::ip_address;
using concur::run;
using concur::spawn;
using concur::task;
using concur::udp_socket;
using support::system_error_of;

/// At a port that the system chooses.
endpoint somewhere(ip_address const& at = ip_address::loopback_v4()) { return endpoint(at, 0); }

std::optional<udp_socket> socket_v6() {
  try {
    return udp_socket(somewhere(ip_address::loopback_v6()));
  } catch (std::system_error const&) {
    WARN("no IPv6 here");
    return std::nullopt;
  }
}

/// A port at which nobody receives.
endpoint nobody(ip_address const& at) {
  udp_socket const gone(somewhere(at));
  return gone.local_endpoint();
}

std::string_view text(std::span<char const> space, std::size_t size) { return {space.data(), size}; }

task<int> error_of(task<> failing) {
  try {
    co_await std::move(failing);
  } catch (std::system_error const& error) {
    co_return error.code().value();
  }
  co_return 0;
}

/// Question and answer, by all pairs of forms.
void talk(udp_socket& server, endpoint const& bound) {
  auto client = udp_socket::connected(bound);
  CHECK(client.remote_endpoint() == bound);
  std::array<char, 100> space{};
  client.send("question");
  auto const asked = server.receive_from(space);
  CHECK(text(space, asked.size()) == "question");
  CHECK(asked.source() == client.local_endpoint());
  CHECK_FALSE(asked.truncated());
  server.send_to("answer", asked.source());
  CHECK(client.receive(space) == 6);
  CHECK(text(space, 6) == "answer");

  auto const in_coroutines = [&]() -> task<> {
    auto answering = spawn([&]() -> task<> {
      std::array<char, 100> room{};
      auto const got = co_await server.async_receive_from(room);
      CHECK(text(room, got.size()) == "what?");
      co_await server.async_send_to("that", got.source());
    });
    co_await concur::yield();
    co_await client.async_send("what?");
    auto const size = co_await client.async_receive(space);
    CHECK(text(space, size) == "that");
    co_await std::move(answering);
  };
  run(in_coroutines());
}

}  // namespace

TEST_CASE("udp_socket: a question and an answer, over IPv4", "[udp]") {
  udp_socket server(somewhere());
  talk(server, server.local_endpoint());
}

TEST_CASE("udp_socket: a question and an answer, over IPv6", "[udp]") {
  if (auto server = socket_v6()) talk(*server, server->local_endpoint());
}

TEST_CASE("udp_socket: a datagram may have no bytes", "[udp]") {
  udp_socket server(somewhere());
  auto client = udp_socket::connected(server.local_endpoint());
  std::array<char, 10> space{};
  client.send("");
  auto const got = server.receive_from(space);
  CHECK(got.size() == 0);
  CHECK_FALSE(got.truncated());
  CHECK(got.source() == client.local_endpoint());
  auto const in_coroutines = [&]() -> task<> {
    co_await client.async_send("");
    co_await client.async_send("after");
    auto const nothing = co_await server.async_receive(space);
    CHECK(nothing == 0);
    auto const size = co_await server.async_receive(space);
    CHECK(size == 5);
  };
  run(in_coroutines());
}

TEST_CASE("udp_socket: what does not fit is lost, and the receiver is told", "[udp]") {
  udp_socket server(somewhere());
  auto client = udp_socket::connected(server.local_endpoint());
  std::array<char, 4> space{};
  auto const is_told = [&](concur::received_datagram const& got) {
    CHECK(got.truncated());
    CHECK(got.size() == 4);
    CHECK(got.full_size() == 10);
    CHECK(text(space, 4) == "0123");
  };
  for (int i = 0; i < 4; ++i) client.send("0123456789");
  client.send("next");
  is_told(server.receive_from(space));
  CHECK(server.receive(space) == 10);
  CHECK(server.receive(concur::mutable_buffer()) == 10);
  auto const in_a_coroutine = [&]() -> task<> {
    auto const got = co_await server.async_receive_from(space);
    is_told(got);
    auto const size = co_await server.async_receive(space);
    CHECK(size == 4);
    CHECK(text(space, 4) == "next");
  };
  run(in_a_coroutine());
}

TEST_CASE("udp_socket: the largest datagram goes, a larger one is an error", "[udp]") {
  udp_socket server(somewhere());
  auto client = udp_socket::connected(server.local_endpoint());
  std::vector<char> const largest(65'507, 'x');
  std::vector<char> space(70'000);
  client.send(largest);
  CHECK(server.receive(space) == largest.size());
  std::vector<char> const larger(65'508);
  CHECK(system_error_of([&] { client.send(larger); }) == EMSGSIZE);
  auto const send = [&]() -> task<> { co_await client.async_send(larger); };
  CHECK(run(error_of(send())) == EMSGSIZE);
}

TEST_CASE("udp_socket: that nobody is there is told on a connected socket", "[udp]") {
  for (auto const& here : {ip_address::loopback_v4(), ip_address::loopback_v6()}) {
    if (here.is_v6() && !socket_v6()) continue;
    auto client = udp_socket::connected(nobody(here));
    std::array<char, 10> space{};
    client.send("hello?");
    CHECK(system_error_of([&] { client.receive(space); }) == ECONNREFUSED);
    client.send("hello?");
    CHECK(system_error_of([&] { client.send("hello?"); }) == ECONNREFUSED);
    // Whoever waits is woken, and the socket can be used on.
    auto const ask = [&]() -> task<> {
      auto waiting = spawn(error_of([](udp_socket& mine) -> task<> {
        std::array<char, 10> room{};
        co_await mine.async_receive(room);
      }(client)));
      co_await concur::yield();
      co_await client.async_send("hello?");
      int const error = co_await std::move(waiting);
      CHECK(error == ECONNREFUSED);
      udp_socket late(client.remote_endpoint());
      co_await client.async_send("hello!");
      auto const size = co_await late.async_receive(space);
      CHECK(size == 6);
    };
    run(ask());
  }
}

TEST_CASE("udp_socket: connected, it hears nobody else; disconnected, everybody", "[udp]") {
  udp_socket one(somewhere());
  udp_socket other(somewhere());
  udp_socket stranger(somewhere());
  one.connect(other.local_endpoint());
  std::array<char, 10> space{};
  stranger.send_to("psst", one.local_endpoint());
  other.send_to("hello", one.local_endpoint());
  CHECK(one.receive(space) == 5);
  CHECK_FALSE(one.try_receive(space));
  udp_socket named(endpoint(ip_address::loopback_v4(), nobody(ip_address::loopback_v4()).port()));
  named.connect(other.local_endpoint());
  named.disconnect();
  stranger.send_to("hello", named.local_endpoint());
  CHECK(named.receive_from(space).source() == stranger.local_endpoint());
  one.disconnect();
  CHECK(one.local_endpoint().port() == 0);
  CHECK(system_error_of([&] { one.send("x"); }) == EDESTADDRREQ);
  CHECK(system_error_of([&] { static_cast<void>(one.remote_endpoint()); }) == ENOTCONN);
}

TEST_CASE("udp_socket: limits and stops", "[udp]") {
  udp_socket server(somewhere());
  auto client = udp_socket::connected(server.local_endpoint());
  std::array<char, 10> space{};
  CHECK_FALSE(server.try_receive(space));
  CHECK_FALSE(server.try_receive_from(space));
  CHECK_FALSE(server.try_receive_for(space, 1ms));
  CHECK_FALSE(server.try_receive_from_for(space, std::chrono::hours::min()));
  CHECK_FALSE(server.try_receive_until(space, std::chrono::system_clock::now() + 1ms));
  CHECK_FALSE(server.try_receive_from_until(space, std::chrono::steady_clock::now()));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(server.receive(space, stop.get_token()));
  stopper.join();
  CHECK(client.try_send("1"));
  CHECK(client.try_send_for("2", 1s));
  CHECK(client.try_send_until("3", std::chrono::steady_clock::now()));
  CHECK(client.send("4", stop.get_token()));  // it need not wait
  auto const to = server.local_endpoint();
  client.disconnect();
  CHECK(client.try_send_to("5", to));
  CHECK(client.try_send_to_for("6", to, 1s));
  CHECK(client.try_send_to_until("7", to, std::chrono::steady_clock::now()));
  CHECK(client.send_to("8", to, stop.get_token()));
  for (char const expected : std::string_view("12345678")) {
    CHECK(server.receive(space, stop.get_token()) == 1u);
    CHECK(space[0] == expected);
  }
}

TEST_CASE("udp_socket: a cancelled receive loses nothing", "[udp]") {
  udp_socket server(somewhere());
  auto client = udp_socket::connected(server.local_endpoint());
  auto const all = [&]() -> task<> {
    constexpr int messages = 200;
    auto sending = spawn([&]() -> task<> {
      for (int i = 0; i < messages; ++i) {
        co_await client.async_send(std::to_string(i));
        if (i % 3 == 0) co_await concur::sleep_for(100us);
      }
    });
    std::array<char, 10> space{};
    int in_order = 0;
    while (in_order < messages) {
      auto const size = co_await concur::move_on_after(20us, server.async_receive(space));
      if (!size) continue;
      if (text(space, *size) != std::to_string(in_order)) break;
      ++in_order;
    }
    CHECK(in_order == messages);
    co_await std::move(sending);
  };
  run(all());
}

TEST_CASE("udp_socket: close ends the wait", "[udp]") {
  udp_socket server(somewhere());
  auto const close_it = [&]() -> task<int> {
    auto waiting = spawn(error_of([](udp_socket& mine) -> task<> {
      std::array<char, 10> room{};
      co_await mine.async_receive(room);
    }(server)));
    co_await concur::yield();
    server.close();
    co_return co_await std::move(waiting);
  };
  CHECK(run(close_it()) == ECANCELED);
}

/// Trap I11.
TEST_CASE("udp_socket: those who wait when their loop ends are cancelled first", "[udp]") {
  udp_socket server(somewhere());
  bool cancelled = false;
  auto const wait = [&]() -> task<> {
    std::array<char, 10> space{};
    try {
      co_await server.async_receive(space);
    } catch (concur::cancelled const&) {
      cancelled = true;
      throw;
    }
  };
  auto const leave = [&]() -> task<> {
    static_cast<void>(spawn(wait()));
    co_await concur::yield();
  };
  run(leave());
  CHECK(cancelled);
}

TEST_CASE("udp_socket: a port that is taken is an error that says which, unless it is shared", "[udp]") {
  udp_socket const first(somewhere());
  auto const at = first.local_endpoint();
  try {
    udp_socket const second(at);
    FAIL("two sockets at one port");
  } catch (std::system_error const& error) {
    CHECK(error.code().value() == EADDRINUSE);
    CHECK(std::string(error.what()).find(at.to_string()) != std::string::npos);
  }
  udp_socket const sharing(somewhere(), bind_options().share_port());
  udp_socket const also(sharing.local_endpoint(), bind_options().share_port());
  CHECK(also.local_endpoint() == sharing.local_endpoint());
}

TEST_CASE("udp_socket: broadcasts have to be allowed", "[udp]") {
  udp_socket server(somewhere(ip_address::any_v4()));
  udp_socket client(somewhere());
  auto const everybody = endpoint(ip_address::parse("127.255.255.255"), server.local_endpoint().port());
  CHECK(system_error_of([&] { client.send_to("x", everybody); }) == EACCES);
  client.set_broadcast(true);
  client.send_to("all", everybody);
  std::array<char, 10> space{};
  CHECK(server.receive(space) == 3);
}

TEST_CASE("udp_socket: a multicast group reaches those who have joined it", "[udp]") {
  unsigned const loopback = ::if_nametoindex("lo");
  auto const exchange = [&](ip_address const& group, ip_address const& any) {
    udp_socket one(endpoint(any, 0), bind_options().share_address());
    udp_socket other(endpoint(any, one.local_endpoint().port()), bind_options().share_address());
    udp_socket client(endpoint(any, 0));
    one.join(group, loopback);
    other.join(group, loopback);
    client.set_multicast_interface(loopback);
    client.set_multicast_hops(1);
    client.set_multicast_loopback(true);
    if (group.is_v6()) return one.leave(group, loopback);  // the loopback interface has no route for these
    client.send_to("news", endpoint(group, one.local_endpoint().port()));
    std::array<char, 10> space{};
    CHECK(one.receive(space) == 4);
    CHECK(other.receive(space) == 4);
    other.leave(group, loopback);
    client.send_to("more", endpoint(group, one.local_endpoint().port()));
    CHECK(one.receive(space) == 4);
    CHECK_FALSE(other.try_receive(space));
    CHECK(system_error_of([&] { other.leave(group, loopback); }) == EADDRNOTAVAIL);
  };
  exchange(ip_address::parse("239.255.77.77"), ip_address::any_v4());
  if (socket_v6()) exchange(ip_address::parse("ff01::7777"), ip_address::any_v6());
}
