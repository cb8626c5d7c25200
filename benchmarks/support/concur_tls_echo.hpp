// SPDX-License-Identifier: BSL-1.0
//
// The echo server with concur, over TLS.
#pragma once

#include "server.hpp"
#include "tls_identity.hpp"

#include <concur/concur.hpp>
#include <concur/net/tls.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace bench {

inline void serve_concur_tls(std::uint16_t port) {
  auto const identity = make_tls_identity();
  auto const context =
      concur::tls_context::server(concur::tls_options().certificate_pem(identity.certificate).key_pem(identity.key));
  auto const session = [&](concur::tcp_stream plain) -> concur::task<> {
    concur::tls_stream client(std::move(plain), context);
    co_await client.async_handshake();
    std::array<char, echo_buffer> bytes;
    while (auto const count = co_await client.async_read_some(bytes)) {
      co_await client.async_write(std::span(bytes).first(count));
    }
    co_await client.async_close();
  };
  concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), port),
                                concur::listen_options().backlog(backlog));
  ready(listener.local_endpoint().port());
  concur::run(concur::serve(listener, session));
}

inline server concur_tls_echo() { return {"concur", serve_concur_tls}; }

}  // namespace bench
