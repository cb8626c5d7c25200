// SPDX-License-Identifier: BSL-1.0
//
// A server of echoes and a client that looks at them.
//
//     auto server = spawn(serve(listener, support::echo<tcp_stream>));
//     bool const right = co_await support::is_served<tcp_stream>(listener.local_endpoint());
#pragma once

#include <concur/coro/task.hpp>
#include <concur/net/endpoint.hpp>

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace support {

/// Of this machine, whichever is free.
inline concur::endpoint any_port() { return concur::endpoint(concur::ip_address::loopback_v4(), 0); }

/// Sends back what comes, until the client has finished.
template <class Stream>
concur::task<> echo(Stream client) {
  std::array<char, 256> space{};
  while (auto const count = co_await client.async_read_some(space)) {
    co_await client.async_write(std::span(space).first(count));
  }
}

/// Says something, of 16 bytes at the most, and returns whether it is answered by the same.
template <class Stream>
concur::task<bool> is_answered(Stream& server, std::string_view text = "hello") {
  std::array<char, 16> space{};
  co_await server.async_write(text);
  auto const count = co_await server.async_read(std::span(space).first(text.size()));
  co_return std::string_view(space.data(), count) == text;
}

/// The same on a connection of its own.
template <class Stream>
concur::task<bool> is_served(concur::endpoint at) {
  auto server = co_await Stream::async_connect(at);
  co_return co_await is_answered(server);
}

}  // namespace support
