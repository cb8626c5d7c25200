// SPDX-License-Identifier: BSL-1.0
//
// A call of the system on a descriptor that does not block: what streams and sockets have the loop carry out. A plain
// value, so that every back end can do it in its own way.
//
//     char buffer[4096];
//     auto const call = io_call::receive(fd, buffer, sizeof buffer);
//     auto const count = perform(call);   // or: co_await loop.async_io(call, …)
#pragma once

#include <concur/core/abi.hpp>
#include <concur/loop/byte_transfer.hpp>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

namespace concur::inline CONCUR_ABI {

/// What it points at must stay until the call has ended.
class io_call : public byte_transfer<io_call> {
 public:
  enum class kind : std::uint8_t { read, write, receive, send, receive_message, send_message, accept, connect };

  /// Of pipes, terminals and the like. `write` raises no SIGPIPE.
  static io_call read(int fd, void* data, std::size_t size) noexcept { return {kind::read, fd, data, size}; }
  static io_call write(int fd, void const* data, std::size_t size) noexcept { return {kind::write, fd, data, size}; }

  /// Of sockets; without a message: of those that carry a stream. The sending ones raise no SIGPIPE.
  static io_call receive(int fd, void* data, std::size_t size, int flags = 0) noexcept {
    return {kind::receive, fd, data, size, flags};
  }
  static io_call send(int fd, void const* data, std::size_t size, int flags = 0) noexcept {
    return {kind::send, fd, data, size, flags | MSG_NOSIGNAL};
  }
  static io_call receive_message(int fd, msghdr& message, int flags = 0) noexcept {
    return {kind::receive_message, fd, &message, 0, flags};
  }
  static io_call send_message(int fd, msghdr const& message, int flags = 0) noexcept {
    return {kind::send_message, fd, &message, 0, flags | MSG_NOSIGNAL};
  }
  /// The result is a descriptor that does not block and is closed in programs that are executed. Connections that broke
  /// off before they were accepted are passed over.
  static io_call accept(int fd) noexcept { return {kind::accept, fd, nullptr, 0}; }
  static io_call connect(int fd, sockaddr const& address, socklen_t size) noexcept {
    return {kind::connect, fd, &address, size};
  }

  kind what() const noexcept { return kind_; }
  int fd() const noexcept { return fd_; }
  int flags() const noexcept { return flags_; }

  /// Whether it moves nothing, which can be done whether the descriptor is ready or not. A `receive` waits for nothing,
  /// too.
  bool moves_nothing() const noexcept {
    return size() == 0 && (kind_ == kind::read || kind_ == kind::write || kind_ == kind::send);
  }
  /// Whether it waits until the descriptor can be read; else until it can be written.
  bool reads() const noexcept {
    return kind_ == kind::read || kind_ == kind::receive || kind_ == kind::receive_message || kind_ == kind::accept;
  }

  /// Whether `result`, which is not negative, says that the next such call would have to wait: stream sockets give as
  /// much as there is, and take as much as there is room for. Not so terminals, and not at the mark of urgent data.
  bool exhausted_by(std::int64_t result) const noexcept {
    bool const streams = kind_ == kind::send || (kind_ == kind::receive && (flags_ & MSG_PEEK) == 0);
    return streams && result != 0 && static_cast<std::uint64_t>(result) < size();
  }

 private:
  io_call(kind what, int fd, void const* data, std::size_t size, int flags = 0) noexcept
      : byte_transfer(data, size), kind_(what), fd_(fd), flags_(flags) {}

  kind kind_;
  int fd_;
  int flags_;
};

/// Makes the call once, and again when a signal interrupts it. Returns what the system returned, or minus an error
/// number, which is -EAGAIN when it would have to wait. Any thread.
std::int64_t perform(io_call const& call) noexcept;

namespace detail {

/// Write to a pipe whose reader has gone: the signal that this sends the thread is taken back, unless it was pending
/// before.
inline ssize_t write_without_signal(int fd, void const* data, std::size_t size) noexcept {
  sigset_t broken_pipe;
  sigset_t pending;
  sigset_t before;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  sigemptyset(&pending);
  sigpending(&pending);
  bool const was_pending = sigismember(&pending, SIGPIPE) == 1;
  if (!was_pending) pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  ssize_t const result = ::write(fd, data, size);
  int const error = errno;
  if (!was_pending) {
    timespec const at_once{};
    if (result < 0 && error == EPIPE) static_cast<void>(sigtimedwait(&broken_pipe, nullptr, &at_once));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  errno = error;
  return result;
}

inline std::int64_t call_once(io_call const& call) noexcept {
  int const fd = call.fd();
  switch (call.what()) {
    case io_call::kind::read: return ::read(fd, call.data(), call.size());
    case io_call::kind::write: return write_without_signal(fd, call.data(), call.size());
    case io_call::kind::receive: return ::recv(fd, call.data(), call.size(), call.flags());
    case io_call::kind::send: return ::send(fd, call.data(), call.size(), call.flags());
    case io_call::kind::receive_message: return ::recvmsg(fd, static_cast<msghdr*>(call.data()), call.flags());
    case io_call::kind::send_message: return ::sendmsg(fd, static_cast<msghdr const*>(call.data()), call.flags());
    case io_call::kind::accept: return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    case io_call::kind::connect:
      return ::connect(fd, static_cast<sockaddr const*>(call.data()), static_cast<socklen_t>(call.size()));
  }
  __builtin_unreachable();
}

/// What an error of accept(2) says of the connection that has gone again, not of the listener.
inline bool concerns_connection(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
  }
}

// The first call of connect(2) begins, those after the socket has become writable tell how it ended.
inline std::int64_t connect_result(int error) noexcept {
  if (error == EISCONN) return 0;
  return error == EINPROGRESS || error == EALREADY ? -EAGAIN : -error;
}

}  // namespace detail

inline std::int64_t perform(io_call const& call) noexcept {
  for (;;) {
    auto const result = detail::call_once(call);
    if (result >= 0) [[likely]]
      return result;
    int const error = errno;
    if (error == EINTR) continue;
    if (call.what() == io_call::kind::connect) return detail::connect_result(error);
    if (call.what() == io_call::kind::accept && detail::concerns_connection(error)) continue;
    return error == EWOULDBLOCK ? -EAGAIN : -error;
  }
}

}  // namespace concur::inline CONCUR_ABI
