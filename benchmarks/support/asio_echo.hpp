// SPDX-License-Identifier: BSL-1.0
//
// The echo server with Boost.Asio: with callbacks and with coroutines.
#pragma once

#include "asio_server.hpp"
#include "server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace bench {

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

inline void begin_asio_echo(asio_socket socket) {
  using session = asio_echo_session<asio_socket>;
  session::read(std::make_unique<session>(std::move(socket)));
}

template <class Stream>
asio_task<void> asio_echo_all(Stream stream) {
  std::array<char, echo_buffer> bytes;
  for (;;) {
    auto const [error, got] = co_await stream.async_read_some(boost::asio::buffer(bytes), asio_waiting);
    if (error) co_return;
    auto const [failure, sent] =
        co_await boost::asio::async_write(stream, boost::asio::buffer(bytes, got), asio_waiting);
    if (failure) co_return;
  }
}

inline server asio_echo() { return {"asio", serve_asio<asio_callbacks, begin_asio_echo>}; }
inline server asio_without_locks_echo() {
  return {"asio_without_locks", serve_asio<asio_callbacks, begin_asio_echo, asio_without_locks>};
}
inline server asio_awaitable_echo() {
  return {"asio_awaitable", serve_asio<asio_coroutines, asio_echo_all<asio_socket>>};
}

}  // namespace bench
