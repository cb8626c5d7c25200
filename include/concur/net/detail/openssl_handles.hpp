// SPDX-License-Identifier: BSL-1.0
//
// Objects of OpenSSL with an owner, and what is read from PEM.
#pragma once

#include <concur/core/unique_fd.hpp>
#include <concur/net/tls_error.hpp>

#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <memory>
#include <new>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using bio_handle = std::unique_ptr<BIO, freed_by<&::BIO_free_all>>;
using certificate_handle = std::unique_ptr<X509, freed_by<&::X509_free>>;
using key_handle = std::unique_ptr<EVP_PKEY, freed_by<&::EVP_PKEY_free>>;
using ssl_context_handle = std::unique_ptr<SSL_CTX, freed_by<&::SSL_CTX_free>>;
using ssl_handle = std::unique_ptr<SSL, freed_by<&::SSL_free>>;

[[noreturn]] inline void throw_openssl_error(std::string const& what) {
  throw std::system_error(take_openssl_error(), what);
}

/// Throws std::system_error with the path in its text.
inline std::string text_of_file(std::string const& path) {
  unique_fd const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    auto const count = ::read(file.get(), part.data(), part.size());
    if (count > 0) {
      text.append(part.data(), static_cast<std::size_t>(count));
    } else if (count == 0) {
      return text;
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "reading " + path);
    }
  }
}

inline bio_handle bio_over(std::string_view text) {
  bio_handle made(text.size() > INT_MAX ? nullptr : ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!made) throw std::bad_alloc();
  return made;
}

/// Never asks the terminal for a passphrase: a key that needs one cannot be read.
inline int no_passphrase(char*, int, int, void*) noexcept { return -1; }

/// One at least, in their order. Throw std::system_error; `what` begins its text.
inline std::vector<certificate_handle> certificates_in(std::string_view pem, std::string const& what) {
  auto const from = bio_over(pem);
  std::vector<certificate_handle> all;
  ::ERR_clear_error();
  while (certificate_handle next{::PEM_read_bio_X509(from.get(), nullptr, &no_passphrase, nullptr)}) {
    all.push_back(std::move(next));
  }
  bool const at_end = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (all.empty() || !at_end) throw_openssl_error(what);
  ::ERR_clear_error();
  return all;
}
inline key_handle key_in(std::string_view pem, std::string const& what) {
  auto const from = bio_over(pem);
  ::ERR_clear_error();
  key_handle key(::PEM_read_bio_PrivateKey(from.get(), nullptr, &no_passphrase, nullptr));
  if (!key) throw_openssl_error(what);
  return key;
}

}  // namespace concur::inline CONCUR_ABI::detail
