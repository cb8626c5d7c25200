// SPDX-License-Identifier: BSL-1.0
//
// Why a TLS connection failed. These are the codes of std::system_error that tls_context and tls_stream throw.
//
//     try {
//       co_await stream.async_handshake();
//     } catch (std::system_error const& error) {
//       if (error.code().category() == concur::certificate_category()) …      // the peer is not who it should be
//       std::puts(error.what());      // verifying the certificate of "example.org": certificate has expired
//     }
#pragma once

#include <concur/core/abi.hpp>

#include <cerrno>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string>
#include <system_error>
#include <type_traits>

namespace concur {
// Outside the ABI tag: a category is compared by its address, and plugins of whatever build share it.
namespace [[gnu::visibility("default")]] process_wide {

/// What the protocol says, not OpenSSL.
enum class tls_errc : int {
  truncated = 1,  ///< the stream has ended without the peer's having said so: somebody may have cut it off
};

class tls_category_type final : public std::error_category {
 public:
  char const* name() const noexcept override { return "tls"; }
  std::string message(int code) const override {
    if (tls_errc(code) == tls_errc::truncated) return "the stream has ended without a close_notify: it may be cut off";
    return "TLS failed with code " + std::to_string(code);
  }
};

class certificate_category_type final : public std::error_category {
 public:
  char const* name() const noexcept override { return "certificate"; }
  std::string message(int code) const override { return ::X509_verify_cert_error_string(code); }
};

class openssl_category_type final : public std::error_category {
 public:
  char const* name() const noexcept override { return "openssl"; }
  std::string message(int code) const override {
    auto const packed = static_cast<unsigned long>(static_cast<unsigned>(code));
    if (char const* const reason = ::ERR_reason_error_string(packed)) return reason;
    return "OpenSSL failed with code " + std::to_string(packed);
  }
};

// Never destroyed: errors are shown at the end of the process, too.
template <class Category>
union kept_category {
  constexpr kept_category() noexcept : category() {}
  ~kept_category() {}
  Category category;
};
inline constinit kept_category<tls_category_type> the_tls_category;
inline constinit kept_category<certificate_category_type> the_certificate_category;
inline constinit kept_category<openssl_category_type> the_openssl_category;

/// The category of tls_errc; that of X509_V_ERR_…, why a certificate was not accepted; and that of OpenSSL's packed
/// error codes.
inline std::error_category const& tls_category() noexcept { return the_tls_category.category; }
inline std::error_category const& certificate_category() noexcept { return the_certificate_category.category; }
inline std::error_category const& openssl_category() noexcept { return the_openssl_category.category; }

inline std::error_code make_error_code(tls_errc code) noexcept { return {int(code), tls_category()}; }

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

using process_wide::certificate_category;
using process_wide::make_error_code;
using process_wide::openssl_category;
using process_wide::tls_category;
using process_wide::tls_errc;

/// The oldest error that OpenSSL has noted on this thread; forgets all of them. Any thread.
inline std::error_code take_openssl_error() noexcept {
  auto const packed = ::ERR_get_error();
  ::ERR_clear_error();
  if (packed == 0) return {EPROTO, std::generic_category()};
  if (ERR_SYSTEM_ERROR(packed)) return {ERR_GET_REASON(packed), std::generic_category()};
  return {static_cast<int>(packed), openssl_category()};
}

}  // namespace concur::inline CONCUR_ABI

template <>
struct std::is_error_code_enum<concur::process_wide::tls_errc> : std::true_type {};
