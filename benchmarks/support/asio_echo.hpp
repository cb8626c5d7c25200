// SPDX-License-Identifier: BSL-1.0
//
// The echo server with Boost.Asio: with callbacks and with coroutines, on an io_context that is run by one thread. The
// type of its executor stands in the type of the sockets, which saves virtual calls.
#pragma once

#include "server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace bench {

using asio_executor = boost::asio::io_context::executor_type;
using asio_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, asio_executor>;
using asio_acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, asio_executor>;
using asio_error = boost::system::error_code;

/// Whoever has its pointer is what happens next; when nothing does, it ends.
template <class Stream>
class asio_echo_session {
 public:
  explicit asio_echo_session(Stream stream) : stream_(std::move(stream)) {}

  Stream& stream() { return stream_; }

  static void read(std::unique_ptr<asio_echo_session> self) {
    auto& [stream, bytes] = *self;
    stream.async_read_some(boost::asio::buffer(bytes),
                           [self = std::move(self)](asio_error error, std::size_t got) mutable {
                             if (!error) write(std::move(self), got);
                           });
  }

 private:
  static void write(std::unique_ptr<asio_echo_session> self, std::size_t count) {
    auto& [stream, bytes] = *self;
    boost::asio::async_write(stream, boost::asio::buffer(bytes, count),
                             [self = std::move(self)](asio_error error, std::size_t) mutable {
                               if (!error) read(std::move(self));
                             });
  }

  Stream stream_;
  std::array<char, echo_buffer> bytes_;
};

struct asio_callbacks {
  /// Goes on with `begin(socket)` for each connection.
  template <class Begin>
  static void accept(asio_acceptor& from, Begin begin) {
    from.async_accept([&from, begin](asio_error error, asio_socket socket) {
      if (!error) begin(std::move(socket));
      if (error && error != boost::asio::error::connection_aborted) throw boost::system::system_error(error, "accept");
      accept(from, begin);
    });
  }
  static void accept(asio_acceptor& from) {
    using session = asio_echo_session<asio_socket>;
    accept(from, [](asio_socket socket) { session::read(std::make_unique<session>(std::move(socket))); });
  }
};

struct asio_coroutines {
  template <class T>
  using task = boost::asio::awaitable<T, asio_executor>;
  static constexpr auto waiting = boost::asio::as_tuple(boost::asio::deferred);

  template <class Stream>
  static task<void> echo(Stream stream) {
    std::array<char, echo_buffer> bytes;
    for (;;) {
      auto const [error, got] = co_await stream.async_read_some(boost::asio::buffer(bytes), waiting);
      if (error) co_return;
      auto const [failure, sent] = co_await boost::asio::async_write(stream, boost::asio::buffer(bytes, got), waiting);
      if (failure) co_return;
    }
  }
  /// Spawns `session(socket)` for each connection.
  template <class Session>
  static task<void> accept_all(asio_acceptor& from, Session session) {
    for (;;) {
      auto [error, socket] = co_await from.async_accept(waiting);
      if (!error) boost::asio::co_spawn(from.get_executor(), session(std::move(socket)), boost::asio::detached);
      if (error && error != boost::asio::error::connection_aborted) throw boost::system::system_error(error, "accept");
    }
  }
  template <class Session>
  static void accept(asio_acceptor& from, Session session) {
    boost::asio::co_spawn(from.get_executor(), accept_all(from, session), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }
  static void accept(asio_acceptor& from) { accept(from, echo<asio_socket>); }
};

template <class Style, int Hint>
void serve_asio(std::uint16_t port) {
  int const listening = listen_on(port);
  boost::asio::io_context context(Hint);
  asio_acceptor acceptor(context, boost::asio::ip::tcp::v4(), listening);
  Style::accept(acceptor);
  ready_with(listening);
  context.run();
}

/// One thread runs it; others may still post to it.
inline constexpr int asio_one_thread = 1;
/// No locks at all.
inline constexpr int asio_without_locks = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

inline server asio_echo() { return {"asio", serve_asio<asio_callbacks, asio_one_thread>}; }
inline server asio_without_locks_echo() {
  return {"asio_without_locks", serve_asio<asio_callbacks, asio_without_locks>};
}
inline server asio_awaitable_echo() { return {"asio_awaitable", serve_asio<asio_coroutines, asio_one_thread>}; }

}  // namespace bench
