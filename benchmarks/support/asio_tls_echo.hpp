// SPDX-License-Identifier: BSL-1.0
//
// The echo server with Boost.Asio, over TLS: the sessions of asio_echo.hpp on its ssl::stream.
#pragma once

#include "asio_echo.hpp"
#include "server.hpp"
#include "tls_identity.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl.hpp>

#include <memory>
#include <utility>

namespace bench {

using asio_tls_stream = boost::asio::ssl::stream<asio_socket>;

inline boost::asio::ssl::context& asio_tls_context() {
  using boost::asio::ssl::context;
  static context all = [] {
    auto const identity = make_tls_identity();
    context made(context::tls_server);
    made.use_certificate_chain(boost::asio::buffer(identity.certificate));
    made.use_private_key(boost::asio::buffer(identity.key), context::pem);
    return made;
  }();
  return all;
}

inline void begin_asio_tls_echo(asio_socket socket) {
  using session = asio_echo_session<asio_tls_stream>;
  auto self = std::make_unique<session>(asio_tls_stream(std::move(socket), asio_tls_context()));
  auto& stream = self->stream();
  stream.async_handshake(asio_tls_stream::server, [self = std::move(self)](asio_error error) mutable {
    if (!error) session::read(std::move(self));
  });
}

inline asio_task<void> asio_tls_echo_all(asio_socket socket) {
  asio_tls_stream stream(std::move(socket), asio_tls_context());
  auto const [error] = co_await stream.async_handshake(asio_tls_stream::server, asio_waiting);
  if (!error) co_await asio_echo_all<asio_tls_stream&>(stream);
}

inline server asio_tls_echo() { return {"asio", serve_asio<asio_callbacks, begin_asio_tls_echo>}; }
inline server asio_awaitable_tls_echo() { return {"asio_awaitable", serve_asio<asio_coroutines, asio_tls_echo_all>}; }

}  // namespace bench
