// SPDX-License-Identifier: BSL-1.0
//
// What TCP and Unix streams have in common: see tcp_stream.hpp and unix_stream.hpp.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/loop/event_loop.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/socket.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A stream over a connected socket. A connection that the peer has reset is an error (connection_reset) of the next
/// read or write.
class socket_stream : public byte_stream {
 public:
  socket_stream() noexcept = default;

  /// Says the peer that nothing more will be written: it reads the end of the stream. Reading goes on. Throws
  /// std::system_error.
  void shutdown_write() { shut(SHUT_WR); }
  /// Reading ends here: a read that waits, and each one from now on, finds the end of the stream.
  void shutdown_read() { shut(SHUT_RD); }

  /// Where it is, and where the peer is. Throw std::system_error.
  [[nodiscard]] endpoint local_endpoint() const { return options().local_endpoint(); }
  [[nodiscard]] endpoint remote_endpoint() const { return options().remote_endpoint(); }

  /// All else that sockets can be told.
  [[nodiscard]] socket_options options() const noexcept { return socket_options(fd()); }

 protected:
  explicit socket_stream(unique_fd fd, kind what = kind::socket) noexcept : byte_stream(std::move(fd), what) {}

  /// Connects a new socket, and returns whether that was done within the limit.
  bool connect_within(endpoint const& to, wait_limit const& limit) {
    auto const result = perform_within(connecting(to), limit);
    if (!result) return false;
    check_connected(*result, to);
    return true;
  }

  /// For co_await: connects a new socket, and gives the stream.
  template <class Stream>
  class connected_stream {
   public:
    connected_stream(Stream stream, endpoint const& to) noexcept : stream_(std::move(stream)), to_(&to) {}
    Stream operator()(std::int64_t result) {
      check_connected(result, *to_);
      return std::move(stream_);
    }

   private:
    Stream stream_;
    endpoint const* to_;
  };
  template <class Stream>
  static auto async_connect_to(Stream fresh, endpoint const& to) {
    event_loop& loop = fresh.own_loop();
    auto const call = fresh.connecting(to);
    return loop.async_io(call, connected_stream<Stream>(std::move(fresh), to));
  }

  io_call connecting(endpoint const& to) const noexcept { return io_call::connect(fd(), *to.data(), to.size()); }

  static void check_connected(std::int64_t result, endpoint const& to) {
    if (result >= 0) return;
    throw std::system_error(static_cast<int>(-result), std::generic_category(), "connecting to " + to.to_string());
  }

 private:
  void shut(int how) {
    if (::shutdown(fd(), how) != 0) throw std::system_error(errno, std::generic_category(), "shutting a stream down");
  }
};

}  // namespace concur::inline CONCUR_ABI
