// SPDX-License-Identifier: BSL-1.0
//
// The protocol of one TLS connection, without a socket: each step says what it needs, and what it has to say is taken
// out and what the peer has said is put in by whoever has the socket.
//
//     switch (engine.read(space, count)) {
//       case tls_step::done: …                    // count bytes
//       case tls_step::wants_input: …             // write engine.output(), read into engine.input_room(), and again
//       case tls_step::failed: …                  // write engine.output(), then engine.throw_failure()
//     }
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/io/buffer.hpp>
#include <concur/net/detail/openssl_handles.hpp>
#include <concur/net/ip_address.hpp>
#include <concur/net/tls_context.hpp>
#include <concur/net/tls_error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

enum class tls_step : unsigned char { done, wants_input, failed };

/// Made on the heap, and stays there. One thread at a time. No step throws but what is said.
class tls_engine {
 public:
  /// Of a server if the context is one's; else of a client, of which `host` is the server: a name or an address in
  /// text. Throws std::invalid_argument, std::bad_alloc and misuse.
  tls_engine(tls_context context, std::string_view host, bool as_server) : context_(std::move(context)) {
    if (context_.is_server() != as_server) {
      throw misuse(as_server ? "a TLS stream without the name of a server has the context of a client"
                             : "a TLS stream with the name of a server has the context of one");
    }
    ssl_.reset(::SSL_new(context_.native_handle()));
    bio_handle input(::BIO_new(::BIO_s_mem()));
    bio_handle output(::BIO_new(::BIO_s_mem()));
    if (!ssl_ || !input || !output) throw std::bad_alloc();
    ::SSL_set0_rbio(ssl_.get(), input.release());
    ::SSL_set0_wbio(ssl_.get(), output.release());
    if (as_server) {
      ::SSL_set_accept_state(ssl_.get());
    } else {
      ::SSL_set_connect_state(ssl_.get());
      set_host(host);
    }
  }

  // ---- steps

  tls_step handshake() noexcept {
    return step([this] { return ::SSL_do_handshake(ssl_.get()); });
  }
  /// `count` is 0 when the peer has said that it is at its end.
  tls_step read(mutable_buffer into, std::size_t& count) noexcept {
    count = 0;
    auto const result = step([&] { return ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &count); });
    return result == tls_step::failed && is_at_end() ? tls_step::done : result;
  }
  /// One record at the most.
  tls_step write(const_buffer from, std::size_t& count) noexcept {
    auto const size = std::min<std::size_t>(from.size(), SSL3_RT_MAX_PLAIN_LENGTH);
    return step([&] { return ::SSL_write_ex(ssl_.get(), from.data(), size, &count); });
  }
  /// Says that nothing more will be written. Does nothing before the handshake, and after a failure.
  tls_step shut_down() noexcept {
    if (!is_established() || failure_) return tls_step::done;
    ::ERR_clear_error();
    static_cast<void>(::SSL_shutdown(ssl_.get()));
    ::ERR_clear_error();
    return tls_step::done;
  }
  bool is_established() const noexcept { return ::SSL_is_init_finished(ssl_.get()) == 1; }

  /// Requires: a step has failed.
  [[noreturn]] void throw_failure() const {
    // No step but a read ends in order when the peer does.
    throw std::system_error(failure_ ? failure_ : make_error_code(tls_errc::truncated), what_failed_);
  }

  // ---- what goes over the wire. Output is taken by one at a time, and stays where it is until it was written.

  bool has_output() const noexcept { return sent_ < sending_.size() || ::BIO_ctrl_pending(output()) != 0; }
  /// Throws std::bad_alloc.
  const_buffer next_output() {
    if (sent_ == sending_.size()) {
      sending_.resize(::BIO_ctrl_pending(output()));
      sent_ = 0;
      if (!sending_.empty()) ::BIO_read(output(), sending_.data(), int(sending_.size()));
    }
    return const_buffer(sending_.data() + sent_, sending_.size() - sent_);
  }
  void written(std::size_t count) noexcept { sent_ += count; }

  mutable_buffer input_room() noexcept { return mutable_buffer(room_); }
  /// None: the stream has ended. Throws std::bad_alloc.
  void add_input(std::size_t count) {
    if (count == 0) {
      has_ended_ = true;
    } else if (::BIO_write(::SSL_get_rbio(ssl_.get()), room_.data(), int(count)) != int(count)) {
      throw std::bad_alloc();
    }
  }

  SSL* native_handle() const noexcept { return ssl_.get(); }

 private:
  // Whether the peer has said so.
  bool is_at_end() const noexcept { return !failure_ && (::SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  BIO* output() const noexcept { return ::SSL_get_wbio(ssl_.get()); }

  template <class Call>
  tls_step step(Call call) noexcept {
    if (failure_) return tls_step::failed;
    ::ERR_clear_error();
    int const result = call();
    if (result == 1) return tls_step::done;
    int const error = ::SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) return tls_step::failed;  // for those who read it is none
    if (error == SSL_ERROR_WANT_READ) {
      return has_ended_ ? fail(tls_errc::truncated, "reading a TLS stream") : tls_step::wants_input;
    }
    // Nothing else is said before the verdict: so it belongs to this failure.
    auto const verdict = ::SSL_get_verify_result(ssl_.get());
    bool const refused = ERR_GET_REASON(::ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (!refused || verdict == X509_V_OK) return fail(take_openssl_error(), "a TLS connection");
    ::ERR_clear_error();
    return fail(std::error_code(int(verdict), certificate_category()), "verifying the certificate of ");
  }

  tls_step fail(std::error_code why, char const* what) noexcept {
    failure_ = why;
    try {
      what_failed_ = what;
      bool const names_peer = why.category() == certificate_category();
      if (names_peer) what_failed_ += host_.empty() ? "the client" : '"' + host_ + '"';
    } catch (std::bad_alloc const&) {
      what_failed_.clear();
    }
    return tls_step::failed;
  }

  void set_host(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    host_ = host;
    auto* const rules = ::SSL_get0_param(ssl_.get());
    if (auto const address = ip_address::try_parse(host)) {
      auto const bytes = address->bytes();
      if (!::X509_VERIFY_PARAM_set1_ip(rules, bytes.data(), bytes.size())) throw std::bad_alloc();
      return;  // an address is no server name
    }
    if (host.empty()) {
      // Whatever is trusted could answer, for whatever host.
      if (context_.verifies()) throw std::invalid_argument("a TLS client has to name the host that it wants");
      return;
    }
    if (host.find('\0') != host.npos) throw std::invalid_argument("the name of a host has a zero byte in it");
    ::X509_VERIFY_PARAM_set_hostflags(rules,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!::X509_VERIFY_PARAM_set1_host(rules, host_.data(), host_.size()) ||
        !::SSL_set_tlsext_host_name(ssl_.get(), host_.c_str())) {
      throw std::bad_alloc();
    }
  }

  tls_context context_;
  ssl_handle ssl_;
  std::string host_;
  std::error_code failure_;  // of all steps from then on
  std::string what_failed_;
  std::vector<char> sending_;  // taken out of OpenSSL's own, which moves when something is added
  std::size_t sent_ = 0;
  bool has_ended_ = false;
  std::array<char, 16 * 1024> room_;
};

}  // namespace concur::inline CONCUR_ABI::detail
