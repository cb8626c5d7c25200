// SPDX-License-Identifier: BSL-1.0
//
// What the TLS connections of a client or a server have in common. Python's ssl.SSLContext.
//
//     auto const everywhere = tls_context::client();        // trusts whom the system trusts
//     auto const mine = tls_context::server(tls_options().certificate_file("chain.pem").key_file("key.pem"));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/detail/openssl_handles.hpp>
#include <concur/net/tls_error.hpp>
#include <concur/net/tls_options.hpp>

#include <memory>
#include <new>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A handle: copies stand for the same, and connections keep it. Does not change once it is made, so any thread may use
/// it. Making one reads and checks certificates, which takes milliseconds: make it once, for many connections.
///
/// TLS 1.2 and 1.3, without renegotiation and compression. A client verifies the certificate of the server, that it is
/// trusted and that it is for the host that was asked for, unless its options say otherwise.
class tls_context {
 public:
  /// Throw std::system_error, whose text says what is wrong with which option, and std::invalid_argument for a server
  /// without certificate or key.
  static tls_context client(tls_options const& options = tls_options()) { return tls_context(options, false); }
  static tls_context server(tls_options const& options) {
    if (options.certificate_chain().empty() || options.key().empty()) {
      throw std::invalid_argument("a TLS server needs a certificate and its key");
    }
    return tls_context(options, true);
  }

  bool is_server() const noexcept { return shared_->is_server; }
  /// Whether the certificate of the peer is verified.
  bool verifies() const noexcept { return ::SSL_CTX_get_verify_mode(native_handle()) != SSL_VERIFY_NONE; }

  /// OpenSSL's, for what there is no option for: before the first connection is made.
  SSL_CTX* native_handle() const noexcept { return shared_->context.get(); }

 private:
  struct shared {
    detail::ssl_context_handle context;
    std::string protocols;  // OpenSSL keeps a pointer to them
    bool is_server = false;
  };

  tls_context(tls_options const& options, bool is_server)
      : tls_context(std::make_shared<shared>(), options, is_server) {}
  tls_context(std::shared_ptr<shared> made, tls_options const& options, bool is_server) : shared_(made) {
    ::ERR_clear_error();
    made->is_server = is_server;
    made->context.reset(::SSL_CTX_new(is_server ? ::TLS_server_method() : ::TLS_client_method()));
    auto* const context = made->context.get();
    bool const made_it = context != nullptr && ::SSL_CTX_set_min_proto_version(context, int(options.minimum_version()));
    if (!made_it) detail::throw_openssl_error("making a TLS context");
    ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    ::SSL_CTX_set_mode(context,
                       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    set_trust(context, options);
    set_identity(context, options);
    set_protocols(*made, options);
  }

  void set_trust(SSL_CTX* context, tls_options const& options) const {
    bool const verifies = is_server() ? options.requires_client_certificate() : options.verifies();
    ::SSL_CTX_set_verify(context, verifies ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                         nullptr);
    if (!verifies) return;
    if (options.trusts_system() && !::SSL_CTX_set_default_verify_paths(context)) {
      detail::throw_openssl_error("the system's store of certificates");
    }
    if (!options.trusted().empty()) {
      for (auto const& each : detail::certificates_in(options.trusted(), "the certificates that are trusted")) {
        if (!::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), each.get())) {
          detail::throw_openssl_error("the certificates that are trusted");
        }
      }
    }
    // Sessions of verified clients are resumed only where they were made.
    constexpr unsigned char name[] = {'c', 'o', 'n', 'c', 'u', 'r'};
    if (is_server()) ::SSL_CTX_set_session_id_context(context, name, sizeof name);
  }

  static void set_identity(SSL_CTX* context, tls_options const& options) {
    if (options.certificate_chain().empty()) return;
    auto chain = detail::certificates_in(options.certificate_chain(), "the certificate");
    if (!::SSL_CTX_use_certificate(context, chain.front().get())) detail::throw_openssl_error("the certificate");
    for (auto each = chain.begin() + 1; each != chain.end(); ++each) {
      if (!::SSL_CTX_add1_chain_cert(context, each->get())) detail::throw_openssl_error("the chain of certificates");
    }
    auto const key = detail::key_in(options.key(), "the private key");
    if (!::SSL_CTX_use_PrivateKey(context, key.get()) || !::SSL_CTX_check_private_key(context)) {
      detail::throw_openssl_error("the private key");
    }
  }

  static void set_protocols(shared& made, tls_options const& options) {
    made.protocols = options.protocols();
    if (made.protocols.empty()) return;
    auto const* const names = reinterpret_cast<unsigned char const*>(made.protocols.data());
    if (made.is_server) {
      ::SSL_CTX_set_alpn_select_cb(made.context.get(), &select_protocol, &made.protocols);
    } else if (::SSL_CTX_set_alpn_protos(made.context.get(), names, unsigned(made.protocols.size())) != 0) {
      throw std::bad_alloc();
    }
  }
  static int select_protocol(SSL*, unsigned char const** chosen, unsigned char* size, unsigned char const* offered,
                             unsigned offered_size, void* protocols) noexcept {
    auto const& mine = *static_cast<std::string const*>(protocols);
    unsigned char* found = nullptr;
    int const result = ::SSL_select_next_proto(&found, size, reinterpret_cast<unsigned char const*>(mine.data()),
                                               unsigned(mine.size()), offered, offered_size);
    if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
  }

  std::shared_ptr<shared const> shared_;
};

}  // namespace concur::inline CONCUR_ABI
