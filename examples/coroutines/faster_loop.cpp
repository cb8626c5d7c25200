// SPDX-License-Identifier: BSL-1.0
//
// C17: the faster loop. The same program, a server and its clients that say something and expect it back, on the epoll
// and on the io_uring back end: the same output, and how many requests a second each of them takes. Where Python needs
// another package for its faster loop (uvloop), the loop takes io_uring by itself where the program was compiled for it
// and the kernel permits it.
#include <concur/concur.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tutorial.hpp"

using namespace tutorial;

namespace {

constexpr int clients = 20;

concur::task<> echo(concur::tcp_stream client) {
  std::array<char, 64> space;
  while (auto const count = co_await client.async_read_some(space)) {
    co_await client.async_write(std::span(space).first(count));
  }
}

/// Returns how many answers were right.
concur::task<int> ask(concur::endpoint server, int client, int requests) {
  auto stream = co_await concur::tcp_stream::async_connect(server);
  int right = 0;
  std::array<char, 64> space;
  for (int i = 0; i < requests; ++i) {
    std::string const request = "client " + std::to_string(client) + ", request " + std::to_string(i);
    co_await stream.async_write(request);
    auto const count = co_await stream.async_read(std::span(space).first(request.size()));
    if (std::string_view(space.data(), count) == request) ++right;
  }
  co_return right;
}

/// The program. It does not know on which loop it runs.
concur::task<int> serve_and_ask(int requests) {
  concur::tcp_listener listener(concur::endpoint::parse("127.0.0.1:0"));
  auto const at = listener.local_endpoint();
  auto server = concur::spawn(concur::serve(listener, echo));
  std::vector<concur::task<int>> asking;
  for (int i = 0; i < clients; ++i) asking.push_back(ask(at, i, requests));
  int right = 0;
  auto const answers = co_await concur::gather(std::move(asking));
  for (int const each : answers) right += each;
  listener.close();  // the end of the server, when it has served those who are there
  co_await std::move(server);
  co_return right;
}

void run_on(concur::event_loop_options const& options, int requests) {
  concur::event_loop loop(options);
  auto const begin = std::chrono::steady_clock::now();
  int const right = loop.run(serve_and_ask(requests));
  std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begin;
  say(right, " of ", clients * requests, " answers are right");
  say("-- ", loop.backend(), ": ", int(right / took.count()), " requests per second");
  expect(right == clients * requests, "every request is answered by itself");
}

/// Options by which a loop is on epoll, also where it could have something better.
template <class Options>
Options on_epoll(Options options) {
  if constexpr (requires { options.backend(); }) options.backend(decltype(options.backend())::epoll);
  return options;
}

}  // namespace

int main(int count, char** words) {
  auto const others = arguments(count, words, "The same server and clients on each back end of the event loop.",
                                "[requests of each client, 2000 if none are given]");
  int const requests = others.empty() ? 2000 : std::stoi(others[0]);
  run_on(on_epoll(concur::event_loop_options()), requests);
  run_on(concur::event_loop_options(), requests);  // the best one that there is
}
