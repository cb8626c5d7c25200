// SPDX-License-Identifier: BSL-1.0
//
// An HTTP/1.1 server. Python's aiohttp.web and FastAPI, Go's net/http.
//
//     concur::http_router router;
//     router.get("/items/{id}", [](concur::http_request& request) -> concur::task<concur::http_response> {
//       co_return concur::http_response::text("item " + request.param("id"));
//     });
//     concur::tcp_listener listener(concur::endpoint(concur::ip_address::loopback_v4(), 8080));
//     concur::run(concur::serve_http(listener, router));
//
// Over TLS, or any other stream, one connection at a time:
//
//     concur::task<> secured(concur::tcp_stream plain) {            // serve(listener, secured)
//       concur::tls_stream client(std::move(plain), its_context);
//       co_await concur::timeout(10s, client.async_handshake());
//       co_await concur::serve_http_connection(std::move(client), router, options);
//     }
//
// Needs Boost 1.81 or later, its headers only: link concur::http_server.
#pragma once

#include <concur/coro/task.hpp>
#include <concur/http/detail/http_connection.hpp>
#include <concur/http/detail/http_date.hpp>
#include <concur/http/exception.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/headers.hpp>
#include <concur/http/request.hpp>
#include <concur/http/response.hpp>
#include <concur/http/router.hpp>
#include <concur/http/server_options.hpp>
#include <concur/http/static_files.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/net/serve.hpp>
#include <concur/net/socket_listener.hpp>

#include <utility>

namespace concur::inline CONCUR_ABI {

/// Serves one connection to its end, which comes when either side wants it, or a limit is reached. Requests that come
/// at once are answered one after the other, in their order. A request that another reader could understand otherwise
/// is refused (head_rules.hpp), and the connection closed; the client receives the answer in any case, as the server
/// reads on for a while behind it.
///
/// A handler that throws http_exception answers with that; with any other error the answer is 500, and the hook for
/// unhandled errors is told. Errors of the stream are not thrown: clients come and go. A cancel ends it at once.
/// A handler is not told that its client has gone before it reads or writes.
///
/// Requires: the stream has `shutdown_write`, or `async_shutdown_write`. Throws std::bad_alloc.
template <async_byte_stream Stream, http_handler Handler>
task<> serve_http_connection(Stream stream, Handler handler, http_server_options options = http_server_options()) {
  detail::answer_date date;
  detail::http_connection<Stream, Handler> connection(std::move(stream), handler, options, date);
  co_await connection.run();
}

/// Accepts connections and serves them, with one copy of the handler for all: see `serve`, also for its end.
template <class Stream, http_handler Handler>
task<> serve_http(socket_listener<Stream>& listener, Handler handler,
                  http_server_options options = http_server_options()) {
  detail::answer_date date;
  auto const serve_one = [&handler, &options, &date](Stream stream) -> task<> {
    detail::http_connection<Stream, Handler> connection(std::move(stream), handler, options, date);
    co_await connection.run();
  };
  co_await serve(listener, serve_one, options.serving());
}

}  // namespace concur::inline CONCUR_ABI
