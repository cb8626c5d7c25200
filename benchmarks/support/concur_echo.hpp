// SPDX-License-Identifier: BSL-1.0
//
// The echo server with concur: a coroutine for each connection, as `serve` makes them. With io_uring in files that are
// compiled with CONCUR_IO_URING=1.
#pragma once

#include "server.hpp"

#include <concur/concur.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

namespace bench::inline CONCUR_ABI {

inline concur::task<> concur_session(concur::tcp_stream client) {
  std::array<char, echo_buffer> bytes;
  while (auto const count = co_await client.async_read_some(bytes)) {
    co_await client.async_write(std::span(bytes).first(count));
  }
}

inline void serve_concur(std::uint16_t port, concur::event_loop_options const& options = {}) {
  if (CONCUR_IO_URING && concur::event_loop().backend() == std::string_view("epoll")) {
    throw std::runtime_error("skipped: no io_uring here");
  }
  concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), port),
                                concur::listen_options().backlog(backlog));
  ready(listener.local_endpoint().port());
  concur::run(concur::serve(listener, concur_session), options);
}

inline server concur_echo() {
  return {CONCUR_IO_URING ? "concur_io_uring" : "concur", [](std::uint16_t port) { serve_concur(port); }};
}
inline server concur_busy_echo() {
  return {"concur_busy",
          [](std::uint16_t port) { serve_concur(port, concur::event_loop_options().busy_poll(busy_polling)); }};
}

}  // namespace bench::inline CONCUR_ABI
