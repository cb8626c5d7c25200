// SPDX-License-Identifier: BSL-1.0
//
// What the servers with Boost.Asio share: callbacks or coroutines, on an io_context that is run by one thread. The type
// of its executor stands in the type of the sockets, which saves virtual calls.
#pragma once

#include "server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <exception>
#include <utility>

namespace bench {

using asio_executor = boost::asio::io_context::executor_type;
using asio_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, asio_executor>;
using asio_acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, asio_executor>;
using asio_error = boost::system::error_code;

struct asio_callbacks {
  /// Calls `begin(socket)` for each connection.
  template <class Begin>
  static void accept(asio_acceptor& from, Begin begin) {
    from.async_accept([&from, begin](asio_error error, asio_socket socket) {
      if (!error) begin(std::move(socket));
      if (error && error != boost::asio::error::connection_aborted) throw boost::system::system_error(error, "accept");
      accept(from, begin);
    });
  }
};

template <class T>
using asio_task = boost::asio::awaitable<T, asio_executor>;
inline constexpr auto asio_waiting = boost::asio::as_tuple(boost::asio::deferred);

struct asio_coroutines {
  /// Spawns `session(socket)`, an asio_task, for each connection.
  template <class Session>
  static void accept(asio_acceptor& from, Session session) {
    boost::asio::co_spawn(from.get_executor(), accept_all(from, session), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }

 private:
  template <class Session>
  static asio_task<void> accept_all(asio_acceptor& from, Session session) {
    for (;;) {
      auto [error, socket] = co_await from.async_accept(asio_waiting);
      if (!error) boost::asio::co_spawn(from.get_executor(), session(std::move(socket)), boost::asio::detached);
      if (error && error != boost::asio::error::connection_aborted) throw boost::system::system_error(error, "accept");
    }
  }
};

/// One thread runs it; others may still post to it.
inline constexpr int asio_one_thread = 1;
/// No locks at all.
inline constexpr int asio_without_locks = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

/// `Style`: one of the two above; `session`: what it wants for each connection.
template <class Style, auto session, int hint = asio_one_thread>
void serve_asio(std::uint16_t port) {
  int const listening = listen_on(port);
  boost::asio::io_context context(hint);
  asio_acceptor acceptor(context, boost::asio::ip::tcp::v4(), listening);
  Style::accept(acceptor, session);
  ready_with(listening);
  context.run();
}

}  // namespace bench
