// SPDX-License-Identifier: BSL-1.0
//
// Whom one side of TLS connections trusts, who it is, and what it speaks.
//
//     auto const mine = tls_options().certificate_file("chain.pem").key_file("key.pem").alpn("h2", "http/1.1");
#pragma once

#include <concur/net/detail/openssl_handles.hpp>
#include <concur/net/tls_error.hpp>

#include <concepts>
#include <openssl/ssl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

enum class tls_version : int { v1_2 = TLS1_2_VERSION, v1_3 = TLS1_3_VERSION };

/// A value, made by chained calls. Files are read when they are named; then std::system_error is thrown if they cannot
/// be. All of them are PEM.
class tls_options {
 public:
  tls_options() = default;

  // ---- whom it trusts

  /// Certificates of authorities, of which one must have issued the peer's. They replace the system's store, unless
  /// `trust_system` is said as well; may be called several times.
  tls_options& trust_pem(std::string_view certificates) {
    trusted_ += certificates;
    trusted_ += '\n';
    return *this;
  }
  tls_options& trust_file(std::string const& path) { return trust_pem(detail::text_of_file(path)); }
  tls_options& trust_system() noexcept {
    trusts_system_ = true;
    return *this;
  }

  /// Of a client: accepts whatever certificate the server shows. Anybody on the way can then read and change all that
  /// is said: for tests, and where something else proves who the peer is.
  tls_options& without_verification() noexcept {
    verifies_ = false;
    return *this;
  }

  /// Of a server: refuses clients that do not show a certificate which is trusted.
  tls_options& require_client_certificate() noexcept {
    requires_client_certificate_ = true;
    return *this;
  }

  // ---- who it is: servers have to say so, clients may

  /// The certificate, followed by those of the authorities between it and the one that is trusted.
  tls_options& certificate_pem(std::string chain) noexcept {
    chain_ = std::move(chain);
    return *this;
  }
  tls_options& certificate_file(std::string const& path) { return certificate_pem(detail::text_of_file(path)); }
  /// Its private key, not encrypted.
  tls_options& key_pem(std::string key) noexcept {
    key_ = std::move(key);
    return *this;
  }
  tls_options& key_file(std::string const& path) { return key_pem(detail::text_of_file(path)); }

  // ---- what it speaks

  /// The protocols that may be spoken inside (ALPN), the preferred one first. A server that has some refuses clients
  /// that ask for others only. Throws std::invalid_argument for a name that is empty or longer than 255 bytes.
  template <std::convertible_to<std::string_view>... Names>
  tls_options& alpn(Names const&... names) {
    protocols_.clear();
    (add_protocol(names), ...);
    return *this;
  }

  /// TLS 1.2 by default, below which nothing is possible.
  tls_options& minimum_version(tls_version value) noexcept {
    minimum_version_ = value;
    return *this;
  }

  std::string const& trusted() const noexcept { return trusted_; }
  bool trusts_system() const noexcept { return trusts_system_ || trusted_.empty(); }
  bool verifies() const noexcept { return verifies_; }
  bool requires_client_certificate() const noexcept { return requires_client_certificate_; }
  std::string const& certificate_chain() const noexcept { return chain_; }
  std::string const& key() const noexcept { return key_; }
  /// Each with its length before it.
  std::string const& protocols() const noexcept { return protocols_; }
  tls_version minimum_version() const noexcept { return minimum_version_; }

 private:
  void add_protocol(std::string_view name) {
    if (name.empty() || name.size() > 255) throw std::invalid_argument("the name of a protocol has 1 to 255 bytes");
    protocols_ += static_cast<char>(name.size());
    protocols_ += name;
  }

  std::string trusted_;
  std::string chain_;
  std::string key_;
  std::string protocols_;
  tls_version minimum_version_ = tls_version::v1_2;
  bool trusts_system_ = false;
  bool verifies_ = true;
  bool requires_client_certificate_ = false;
};

}  // namespace concur::inline CONCUR_ABI
