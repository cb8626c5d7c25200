// SPDX-License-Identifier: BSL-1.0
//
// Certificates for tests, made on the spot.
//
//     support::authority const ca("a test");
//     auto const mine = ca.issue("example.org");
//     tls_context::server(tls_options().certificate_pem(mine.certificate).key_pem(mine.key));
//     tls_context::client(tls_options().trust_pem(ca.certificate()));
#pragma once

#include <concur/net/detail/openssl_handles.hpp>

#include <cstdlib>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string>
#include <utility>

namespace support {

/// In PEM. The certificate is followed by those between it and the authority that nobody issued.
struct identity {
  std::string certificate;
  std::string key;
};

class authority {
 public:
  /// One that nobody issued.
  explicit authority(std::string const& name)
      : key_(make_key()), certificate_(make(name, *this, key_.get(), "", 0, 1)) {}
  /// One that another has issued.
  authority(std::string const& name, authority const& by)
      : key_(make_key()), certificate_(make(name, by, key_.get(), "", 0, 1)) {
    between_ = certificate() + by.between_;
  }

  std::string certificate() const { return pem(certificate_.get()); }

  /// Valid for a host, a name or "IP:…", from so many days from now to so many.
  identity issue(std::string const& host, int first_day = -1, int last_day = 1) const {
    auto const key = make_key();
    auto const alternative = host.starts_with("IP:") ? host : "DNS:" + host;
    auto const made = make(host, *this, key.get(), alternative, first_day, last_day);
    return {pem(made.get()) + between_, pem(key.get())};
  }

 private:
  using certificate_handle = concur::detail::certificate_handle;
  using key_handle = concur::detail::key_handle;

  static void require(bool good) {
    if (!good) std::abort();
  }
  static key_handle make_key() {
    key_handle made(EVP_EC_gen("P-256"));
    require(made != nullptr);
    return made;
  }

  // An empty alternative name makes an authority.
  static certificate_handle make(std::string const& name, authority const& by, EVP_PKEY* key,
                                 std::string const& alternative, int first_day, int last_day) {
    static long serial = 0;
    constexpr long day = 24 * 60 * 60;
    certificate_handle made(::X509_new());
    auto* const x = made.get();
    bool const is_authority = alternative.empty();
    require(x != nullptr && ::X509_set_version(x, 2) && ::ASN1_INTEGER_set(::X509_get_serialNumber(x), ++serial));
    require(::X509_gmtime_adj(::X509_getm_notBefore(x), first_day * day - 60) != nullptr);
    require(::X509_gmtime_adj(::X509_getm_notAfter(x), last_day * day) != nullptr);
    auto const* const text = reinterpret_cast<unsigned char const*>(name.c_str());
    require(::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x), "CN", MBSTRING_UTF8, text, -1, -1, 0));
    auto* const issuer = by.certificate_ ? by.certificate_.get() : x;
    require(::X509_set_issuer_name(x, ::X509_get_subject_name(issuer)) && ::X509_set_pubkey(x, key));
    add(x, issuer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!is_authority) add(x, issuer, NID_subject_alt_name, alternative);
    require(::X509_sign(x, by.key_.get(), ::EVP_sha256()) != 0);
    return made;
  }
  static void add(X509* to, X509* issuer, int what, std::string const& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* const made = ::X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    require(made != nullptr && ::X509_add_ext(to, made, -1));
    ::X509_EXTENSION_free(made);
  }

  static std::string pem(X509* certificate) {
    return text([&](BIO* out) { return ::PEM_write_bio_X509(out, certificate); });
  }
  static std::string pem(EVP_PKEY* key) {
    return text([&](BIO* out) { return ::PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  }
  template <class Write>
  static std::string text(Write write) {
    concur::detail::bio_handle const out(::BIO_new(::BIO_s_mem()));
    require(out != nullptr && write(out.get()) == 1);
    std::string made(::BIO_ctrl_pending(out.get()), '\0');
    ::BIO_read(out.get(), made.data(), int(made.size()));
    return made;
  }

  key_handle key_;
  certificate_handle certificate_;  // after the key, which signs it
  std::string between_;
};

}  // namespace support
