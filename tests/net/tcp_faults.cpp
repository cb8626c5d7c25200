// SPDX-License-Identifier: BSL-1.0
//
// TCP streams, listeners and servers while a call of the system fails.
#include "../support/bears_failures.hpp"
#include "../support/catch.hpp"
#include "echo.hpp"
#include "two_clients.hpp"

#include <concur/coro/task.hpp>
#include <concur/loop/run.hpp>
#include <concur/net/tcp_listener.hpp>
#include <concur/net/tcp_stream.hpp>

#include <array>
#include <exception>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using concur::endpoint;
using concur::run;
using concur::task;
using concur::tcp_listener;
using concur::tcp_stream;
using support::any_port;
using support::failing_call;
using support::failures_borne;

// Three words, each answered by the same. An end before that is the work of a failure.
task<bool> is_served(endpoint const& at) {
  auto server = co_await tcp_stream::async_connect(at);
  server.set_no_delay(true);
  for (std::string_view const word : {"a", "few", "words"}) {
    std::array<char, 8> space{};
    co_await server.async_write(word);
    auto const count = co_await server.async_read(std::span(space).first(word.size()));
    if (std::string_view(space.data(), count) != word) co_return false;
  }
  server.shutdown_write();
  std::array<char, 1> rest{};
  auto const after_the_end = co_await server.async_read_some(rest);
  co_return after_the_end == 0;
}

task<> two_clients() {
  tcp_listener listener(any_port());
  co_await support::serve_two_clients(listener, is_served);
}

// The same with a thread for each side.
void in_two_threads() {
  tcp_listener listener(any_port());
  auto const at = listener.local_endpoint();
  std::exception_ptr error_of_server;
  std::stop_source no_client;
  std::thread server([&] {
    try {
      auto client = listener.accept(no_client.get_token());
      if (!client) return;
      std::array<char, 256> space{};
      while (auto const count = client->read_some(space)) client->write(std::span(space).first(count));
    } catch (std::system_error const&) {
      error_of_server = std::current_exception();
    }
    listener.close();  // or one that was not accepted would wait for ever
  });
  std::exception_ptr error_of_client;
  bool answered = false;
  try {
    auto client = tcp_stream::connect(at);
    std::array<char, 5> space{};
    client.write("hello");
    answered = client.read(space) == 5;
  } catch (std::system_error const&) {
    error_of_client = std::current_exception();
    no_client.request_stop();
  }
  server.join();
  if (error_of_server != nullptr) std::rethrow_exception(error_of_server);
  if (error_of_client != nullptr) std::rethrow_exception(error_of_client);
  if (!answered && !failing_call::happened()) throw std::logic_error("the client was not answered");
}

}  // namespace

TEST_CASE("tcp: a server and its clients bear the failure of every call") {
  auto const failed = failures_borne([] { run(two_clients()); });
  CHECK(failed > 400);
}

TEST_CASE("tcp: streams and listeners of threads bear the failure of every call") {
  auto const failed = failures_borne(in_two_threads);
  CHECK(failed > 100);
}
