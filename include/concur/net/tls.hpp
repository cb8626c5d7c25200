// SPDX-License-Identifier: BSL-1.0
//
// TLS, by OpenSSL 3. Not in concur.hpp: whoever includes this links concur::tls, which brings OpenSSL along.
//
//     auto const context = tls_context::client();
//     tls_stream server(co_await tcp_stream::async_connect("example.org", 443), context, "example.org");
//     co_await timeout(10s, server.async_handshake());
#pragma once

#include <concur/net/tls_context.hpp>
#include <concur/net/tls_error.hpp>
#include <concur/net/tls_options.hpp>
#include <concur/net/tls_stream.hpp>
