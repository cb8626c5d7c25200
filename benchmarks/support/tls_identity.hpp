// SPDX-License-Identifier: BSL-1.0
//
// Who the TLS servers say they are: made anew by each of them before it listens. A key on P-256, and a certificate that
// it signs itself.
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

namespace bench {

struct tls_identity {
  std::string certificate;  // PEM
  std::string key;
};

namespace openssl {

template <auto Free>
struct freeing {
  template <class T>
  void operator()(T* handle) const noexcept {
    Free(handle);
  }
};
using key = std::unique_ptr<EVP_PKEY, freeing<&EVP_PKEY_free>>;
using certificate = std::unique_ptr<X509, freeing<&X509_free>>;
using memory = std::unique_ptr<BIO, freeing<&BIO_free>>;

inline void expect(bool done) {
  if (!done) throw std::runtime_error("no certificate can be made");
}

/// What `write(bio)` writes.
template <class Write>
std::string pem(Write write) {
  memory const bio(BIO_new(BIO_s_mem()));
  expect(bio && write(bio.get()) == 1);
  char* text = nullptr;
  long const size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, std::size_t(size));
}

}  // namespace openssl

inline tls_identity make_tls_identity() {
  using openssl::expect;
  constexpr long one_day = 24 * 60 * 60;
  openssl::key const key(EVP_EC_gen("P-256"));
  openssl::certificate const made(X509_new());
  expect(key && made);
  auto const* const name = reinterpret_cast<unsigned char const*>("localhost");
  X509_NAME* const subject = X509_get_subject_name(made.get());
  expect(X509_set_version(made.get(), X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) &&
         X509_gmtime_adj(X509_getm_notBefore(made.get()), -one_day) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(made.get()), one_day) != nullptr &&
         X509_set_pubkey(made.get(), key.get()) &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) &&
         X509_set_issuer_name(made.get(), subject) && X509_sign(made.get(), key.get(), EVP_sha256()) > 0);
  return {openssl::pem([&](BIO* bio) { return PEM_write_bio_X509(bio, made.get()); }), openssl::pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace bench
