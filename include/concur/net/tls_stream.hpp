// SPDX-License-Identifier: BSL-1.0
//
// TLS over any stream of bytes. Python's ssl.SSLSocket, and asyncio's ssl=….
//
//     auto const context = tls_context::client();
//     tls_stream server(co_await tcp_stream::async_connect("example.org", 443), context, "example.org");
//     co_await timeout(10s, server.async_handshake());
//     co_await server.async_write("GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
//
//     task<> answer(tcp_stream plain) {                      // of a server: serve(listener, answer)
//       tls_stream client(std::move(plain), its_context);
//       co_await timeout(10s, client.async_handshake());
//       …
//       co_await client.async_close();
//     }
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/move_all.hpp>
#include <concur/net/detail/openssl_handles.hpp>
#include <concur/net/detail/tls_connection.hpp>
#include <concur/net/tls_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Its verbs are those of byte_stream, whatever the stream beneath has of them: coroutines need `async_read_some` and
/// `async_write_some`, threads those without `async_`. The handshake is made by the first verb, if not by its own.
///
/// All verbs throw std::system_error, also with the codes of tls_error.hpp, and after such an error of the protocol all
/// others do so too. An end of the stream that the peer has not announced (close_notify) is one, since anybody on the
/// way can cut a connection off: tls_errc::truncated.
///
/// A write that was cancelled, or whose limit was reached, may have moved a part. Of what `write_some` says it has
/// taken a rest may be left that has not gone out when the limit comes; the next verb sends it.
///
/// Who may call what: as of the stream beneath. One may read and one may write at the same time; so may two threads. It
/// may be moved meanwhile.
template <class Stream>
class tls_stream {
 public:
  /// A client of the host of that name, or address in text, for which the server has to have a certificate. Throws
  /// misuse if the context is one of servers, std::invalid_argument for a name that can be none, and std::bad_alloc.
  tls_stream(Stream stream, tls_context const& context, std::string_view host)
      : connection_(std::make_unique<detail::tls_connection<Stream>>(std::move(stream), context, host, false)) {}
  /// A server. Throws misuse if the context is one of clients, and std::bad_alloc.
  tls_stream(Stream stream, tls_context const& context)
      : connection_(std::make_unique<detail::tls_connection<Stream>>(std::move(stream), context, "", true)) {}

  // ---- the handshake. Whoever lets it take as long as the peer likes can be made to wait for ever.

  void handshake() { connection_->handshake(detail::wait_for_good()); }
  /// Returns false when a stop was requested first.
  bool handshake(os::stop_token const& stop) { return connection_->handshake(detail::wait_until_stop(stop)); }
  /// Returns false when the limit was reached.
  template <class Rep, class Period>
  bool try_handshake_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_handshake_until(deadline_after(limit));
  }
  template <class Clock, class Duration>
  bool try_handshake_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return connection_->handshake(detail::wait_until(limit));
  }
  [[nodiscard]] task<> async_handshake() { return connection_->async_handshake(); }

  // ---- reading

  std::size_t read_some(mutable_buffer into) { return *connection_->read_some(into, detail::wait_for_good()); }
  std::optional<std::size_t> read_some(mutable_buffer into, os::stop_token const& stop) {
    return connection_->read_some(into, detail::wait_until_stop(stop));
  }
  std::optional<std::size_t> try_read_some(mutable_buffer into) { return try_read_some_until(into, at_once); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_read_some_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return try_read_some_until(into, deadline_after(limit));
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_read_some_until(mutable_buffer into,
                                                 std::chrono::time_point<Clock, Duration> const& limit) {
    return connection_->read_some(into, detail::wait_until(limit));
  }
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) { return connection_->async_read_some(into); }

  /// Until the buffer is full or the stream has ended.
  std::size_t read(mutable_buffer into) {
    return read_all_by(into, [this](mutable_buffer rest) { return read_some(rest); });
  }
  [[nodiscard]] task<std::size_t> async_read(mutable_buffer into) {
    return async_read_all_by(into, [&mine = *connection_](mutable_buffer rest) { return mine.async_read_some(rest); });
  }

  // ---- writing

  void write(const_buffer from) {
    write_all_by(from, [this](const_buffer rest) { return write_some(rest); });
  }
  bool write(const_buffer from, os::stop_token const& stop) {
    return write_all_by(from, [&](const_buffer rest) { return write_some(rest, stop); });
  }
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return try_write_until(from, deadline_after(limit));
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return write_all_by(from, [&](const_buffer rest) { return try_write_some_until(rest, limit); });
  }
  [[nodiscard]] task<> async_write(const_buffer from) {
    return async_write_all_by(from, [&mine = *connection_](const_buffer rest) { return mine.async_write_some(rest); });
  }

  std::size_t write_some(const_buffer from) { return *connection_->write_some(from, detail::wait_for_good()); }
  std::optional<std::size_t> write_some(const_buffer from, os::stop_token const& stop) {
    return connection_->write_some(from, detail::wait_until_stop(stop));
  }
  std::optional<std::size_t> try_write_some(const_buffer from) { return try_write_some_until(from, at_once); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_write_some_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return try_write_some_until(from, deadline_after(limit));
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_write_some_until(const_buffer from,
                                                  std::chrono::time_point<Clock, Duration> const& limit) {
    return connection_->write_some(from, detail::wait_until(limit));
  }
  [[nodiscard]] task<std::size_t> async_write_some(const_buffer from) { return connection_->async_write_some(from); }

  // ---- the end

  /// Says to the peer that nothing more will be written: it reads the end of the stream. Reading goes on.
  void shutdown_write() { connection_->shut_down(detail::wait_for_good()); }
  /// Returns false when a stop was requested first.
  bool shutdown_write(os::stop_token const& stop) { return connection_->shut_down(detail::wait_until_stop(stop)); }
  /// Returns false when the limit was reached.
  template <class Rep, class Period>
  bool try_shutdown_write_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_shutdown_write_until(deadline_after(limit));
  }
  template <class Clock, class Duration>
  bool try_shutdown_write_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return connection_->shut_down(detail::wait_until(limit));
  }
  [[nodiscard]] task<> async_shutdown_write() { return connection_->async_shut_down(); }

  /// Says so, if that can be done without waiting, and closes the stream beneath. Those who wait for it get a
  /// std::system_error. The destructor closes without a word: then the peer finds the stream cut off.
  void close() noexcept { connection_->close(); }
  /// The same, but waits until it was said, for so long at the most.
  template <class Rep = std::int64_t, class Period = std::ratio<1>>
  [[nodiscard]] task<> async_close(std::chrono::duration<Rep, Period> limit = std::chrono::seconds(5)) {
    return async_close_within(*connection_, saturated(limit));
  }
  [[nodiscard]] bool is_open() const noexcept { return connection_->stream().is_open(); }

  // ---- what was agreed, once the handshake is done

  /// The protocol that is spoken inside (ALPN); empty if there is none.
  [[nodiscard]] std::string alpn_protocol() const {
    unsigned char const* name = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(native_handle(), &name, &size);
    return std::string(reinterpret_cast<char const*>(name), size);
  }
  /// "TLSv1.3".
  [[nodiscard]] std::string version() const { return ::SSL_get_version(native_handle()); }
  /// Whom the peer's certificate is for, as in "CN=example.org,O=…"; empty if it has shown none.
  [[nodiscard]] std::string peer_subject() const {
    detail::certificate_handle const shown(::SSL_get1_peer_certificate(native_handle()));
    if (!shown) return {};
    detail::bio_handle const text(::BIO_new(::BIO_s_mem()));
    if (!text || ::X509_NAME_print_ex(text.get(), ::X509_get_subject_name(shown.get()), 0, XN_FLAG_RFC2253) < 0) {
      throw std::bad_alloc();
    }
    std::string result(::BIO_ctrl_pending(text.get()), '\0');
    ::BIO_read(text.get(), result.data(), static_cast<int>(result.size()));
    return result;
  }

  /// The stream beneath, for its options; and OpenSSL's object, for what there is no verb for, while nobody uses it.
  [[nodiscard]] Stream& next_layer() noexcept { return connection_->stream(); }
  [[nodiscard]] SSL* native_handle() const noexcept { return connection_->native_handle(); }

 private:
  using connection = detail::tls_connection<Stream>;

  static task<> async_close_within(connection& mine, std::chrono::nanoseconds limit) {
    try {
      static_cast<void>(co_await move_on_after(limit, mine.async_shut_down()));
    } catch (std::system_error const&) {  // the peer has gone already
    } catch (...) {
      mine.close();
      throw;
    }
    mine.close();
  }

  std::unique_ptr<connection> connection_;
};

}  // namespace concur::inline CONCUR_ABI
