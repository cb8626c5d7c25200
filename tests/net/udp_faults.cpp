// SPDX-License-Identifier: BSL-1.0
//
// UDP sockets, and connecting by name, while a call of the system fails.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"

#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>
#include <concur/net/udp_socket.hpp>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using concur::endpoint;
using concur::ip_address;
using concur::run;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;
using concur::udp_socket;
using support::failures_borne;

// Both know each other, so a message that could not be sent is an error of the sender, not a wait without end.
task<> question_and_answer() {
  udp_socket server(endpoint(ip_address::loopback_v4(), 0));
  auto client = udp_socket::connected(server.local_endpoint());
  std::array<char, 16> space{};
  auto const both = [&](concur::task_group& group) -> task<> {
    auto const answer = [&]() -> task<> {
      std::array<char, 16> heard{};
      auto const question = co_await server.async_receive_from(heard);
      co_await server.async_send_to("an answer", question.source());
    };
    group.spawn(answer);
    co_await client.async_send("a question");
    auto const count = co_await client.async_receive(space);
    if (count != 9) throw std::logic_error("another answer");
  };
  co_await concur::with_group(both);
}

task<> by_name() {
  tcp_listener listener(endpoint(ip_address::loopback_v4(), 0));
  auto const port = std::to_string(listener.local_endpoint().port());
  auto client = co_await tcp_stream::async_connect("127.0.0.1", port);
  auto server = co_await listener.async_accept();
  co_await client.async_write("x");
  std::array<char, 1> space{};
  auto const count = co_await server.async_read(space);
  if (count != 1) throw std::logic_error("nothing came");
}

}  // namespace

TEST_CASE("udp: sockets bear the failure of every call") {
  auto const failed = failures_borne([] { run(question_and_answer()); });
  CHECK(failed > 50);
}

TEST_CASE("tcp: connecting by name bears the failure of every call") {
  auto const failed = failures_borne([] { run(by_name()); });
  CHECK(failed > 100);
}
