// SPDX-License-Identifier: BSL-1.0
//
// What UDP and Unix datagram sockets have in common: see udp_socket.hpp and unix_datagram.hpp.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/descriptor.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/net/detail/datagram_message.hpp>
#include <concur/net/detail/paced_retry.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/received_datagram.hpp>
#include <concur/net/socket.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Sends and receives messages, each of which comes whole or not at all, and may have no bytes. A receiver whose buffer
/// is too small is told.
///
/// All verbs throw std::system_error. On a connected socket the next one tells (connection_refused) that nobody was
/// there to receive an earlier message. After one that was cancelled, or whose limit was reached, nothing has been sent
/// or received. Buffers must stay until the operation has ended.
///
/// Who may call what: see descriptor. One may receive and one may send at the same time.
class datagram_socket : public descriptor {
 public:
  datagram_socket() noexcept = default;

  /// From now on it sends there, if nothing else is said, and receives from there only. Does not wait.
  void connect(endpoint const& to) {
    if (::connect(fd(), to.data(), to.size()) != 0) fail("connecting to " + to.to_string());
  }
  /// Undoes that. A port that the system has chosen is given back, and another one taken with the next message.
  void disconnect() {
    sockaddr nowhere{};
    nowhere.sa_family = AF_UNSPEC;
    if (::connect(fd(), &nowhere, sizeof nowhere) != 0) fail("disconnecting");
  }

  /// Where it is, and where it is connected to. Throw std::system_error.
  [[nodiscard]] endpoint local_endpoint() const { return options().local_endpoint(); }
  [[nodiscard]] endpoint remote_endpoint() const { return options().remote_endpoint(); }
  [[nodiscard]] socket_options options() const noexcept { return socket_options(fd()); }

  // ---- receiving

  /// Waits for a datagram, and tells its size and who sent it.
  received_datagram receive_from(mutable_buffer into) { return *received_within(into, {}); }
  /// Nothing when a stop was requested first.
  std::optional<received_datagram> receive_from(mutable_buffer into, os::stop_token const& stop) {
    return received_within(into, {.stop = &stop});
  }
  /// Nothing when there is none.
  std::optional<received_datagram> try_receive_from(mutable_buffer into) {
    return received_within(into, {.deadline = at_once});
  }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  std::optional<received_datagram> try_receive_from_for(mutable_buffer into,
                                                        std::chrono::duration<Rep, Period> const& limit) {
    return received_within(into, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<received_datagram> try_receive_from_until(mutable_buffer into,
                                                          std::chrono::time_point<Clock, Duration> const& limit) {
    return received_within(into, limit_at(limit));
  }
  [[nodiscard]] task<received_datagram> async_receive_from(mutable_buffer into) {
    detail::datagram_message message(into);
    auto const result = co_await async_io(receiving(message), as_it_is());
    co_return message.received(result);
  }

  /// The same, but tells only how many bytes the datagram had: more than the buffer has if the rest of it is lost.
  std::size_t receive(mutable_buffer into) { return receive_from(into).full_size(); }
  std::optional<std::size_t> receive(mutable_buffer into, os::stop_token const& stop) {
    return size_of(receive_from(into, stop));
  }
  std::optional<std::size_t> try_receive(mutable_buffer into) { return size_of(try_receive_from(into)); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_receive_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return size_of(try_receive_from_for(into, limit));
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_receive_until(mutable_buffer into,
                                               std::chrono::time_point<Clock, Duration> const& limit) {
    return size_of(try_receive_from_until(into, limit));
  }
  [[nodiscard]] task<std::size_t> async_receive(mutable_buffer into) {
    auto const got = co_await async_receive_from(into);
    co_return got.full_size();
  }

  // ---- sending

  /// Sends a datagram to an endpoint, when there is room for it.
  void send_to(const_buffer from, endpoint const& to) { sent_within(from, &to, {}); }
  /// Returns false when a stop was requested first.
  bool send_to(const_buffer from, endpoint const& to, os::stop_token const& stop) {
    return sent_within(from, &to, {.stop = &stop});
  }
  /// Returns false when there is no room.
  bool try_send_to(const_buffer from, endpoint const& to) { return sent_within(from, &to, {.deadline = at_once}); }
  /// Returns false when the limit was reached.
  template <class Rep, class Period>
  bool try_send_to_for(const_buffer from, endpoint const& to, std::chrono::duration<Rep, Period> const& limit) {
    return sent_within(from, &to, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  bool try_send_to_until(const_buffer from, endpoint const& to, std::chrono::time_point<Clock, Duration> const& limit) {
    return sent_within(from, &to, limit_at(limit));
  }
  [[nodiscard]] task<> async_send_to(const_buffer from, endpoint to) {
    detail::datagram_message message(from, &to);
    auto const call = sending(message);
    std::int64_t result = 0;
    if (peer_ == peer::hidden) {
      result = co_await detail::async_retry(call);
    } else {
      result = co_await async_io(call, as_it_is());
    }
    detail::datagram_message::checked(result, when_sending);
  }

  /// The same for a connected socket.
  void send(const_buffer from) { sent_within(from, nullptr, {}); }
  bool send(const_buffer from, os::stop_token const& stop) { return sent_within(from, nullptr, {.stop = &stop}); }
  bool try_send(const_buffer from) { return sent_within(from, nullptr, {.deadline = at_once}); }
  template <class Rep, class Period>
  bool try_send_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return sent_within(from, nullptr, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  bool try_send_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return sent_within(from, nullptr, limit_at(limit));
  }
  [[nodiscard]] task<> async_send(const_buffer from) {
    detail::datagram_message message(from);
    auto const result = co_await async_io(sending(message), as_it_is());
    detail::datagram_message::checked(result, when_sending);
  }

 protected:
  /// Whether a receiver that this socket is not connected to may make it wait, of which its descriptor does not tell.
  enum class peer : bool { lossy, hidden };

  /// Takes over a socket that does not block.
  datagram_socket(unique_fd fd, peer what) noexcept : descriptor(std::move(fd)), peer_(what) {}

  [[noreturn]] static void fail(std::string const& what) {
    int const error = errno;
    throw std::system_error(error, std::generic_category(), what);
  }

 private:
  static constexpr char const* when_sending = "sending a datagram";
  struct as_it_is {
    std::int64_t operator()(std::int64_t result) const noexcept { return result; }
  };

  io_call receiving(detail::datagram_message& message) const noexcept {
    return io_call::receive_message(fd(), message.header(), MSG_TRUNC);  // the result is its full size
  }
  io_call sending(detail::datagram_message& message) const noexcept {
    return io_call::send_message(fd(), message.header());
  }
  static std::optional<std::size_t> size_of(std::optional<received_datagram> const& got) {
    return got ? std::optional(got->full_size()) : std::nullopt;
  }

  std::optional<received_datagram> received_within(mutable_buffer into, wait_limit const& limit) {
    detail::datagram_message message(into);
    auto const result = perform_within(receiving(message), limit);
    if (!result) return std::nullopt;
    return message.received(*result);
  }
  bool sent_within(const_buffer from, endpoint const* to, wait_limit const& limit) {
    detail::datagram_message message(from, to);
    bool const paced = to != nullptr && peer_ == peer::hidden;
    auto const result = paced ? detail::retry_within(sending(message), limit) : perform_within(sending(message), limit);
    if (result) detail::datagram_message::checked(*result, when_sending);
    return result.has_value();
  }

  peer peer_ = peer::lossy;
};

}  // namespace concur::inline CONCUR_ABI
