// SPDX-License-Identifier: BSL-1.0
//
// The load of the echo workload over TLS: that of echo_load.hpp, each connection with OpenSSL on its socket. TLS 1.3
// and AES-128-GCM, whatever a server would prefer; the handshakes are over before anything is measured.
#pragma once

#include "echo_load.hpp"
#include "tls_identity.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

namespace bench {

class tls_channel {
 public:
  /// Makes the handshake.
  explicit tls_channel(int fd) : fd_(fd), connection_(SSL_new(context())) {
    if (!connection_ || SSL_set_fd(mine(), fd) != 1 || SSL_connect(mine()) != 1) fail("the handshake");
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) throw_errno("fcntl");
  }

  ssize_t send(void const* from, std::size_t size) {
    int const sent = SSL_write(mine(), from, int(size));
    if (sent <= 0) fail("a write");
    return sent;
  }
  ssize_t receive(void* into, std::size_t size) {
    int const got = SSL_read(mine(), into, int(size));
    if (got > 0) return got;
    switch (SSL_get_error(mine(), got)) {
      case SSL_ERROR_ZERO_RETURN: return 0;
      case SSL_ERROR_WANT_READ: return errno = EAGAIN, -1;
      default: fail("a read");
    }
  }
  void finish() {
    SSL_shutdown(mine());
    shutdown(fd_, SHUT_WR);
  }

 private:
  SSL* mine() const { return connection_.get(); }

  static SSL_CTX* context() {
    static std::unique_ptr<SSL_CTX, openssl::freeing<&SSL_CTX_free>> const made = [] {
      std::unique_ptr<SSL_CTX, openssl::freeing<&SSL_CTX_free>> all(SSL_CTX_new(TLS_client_method()));
      if (!all || SSL_CTX_set_min_proto_version(all.get(), TLS1_3_VERSION) != 1 ||
          SSL_CTX_set_ciphersuites(all.get(), "TLS_AES_128_GCM_SHA256") != 1) {
        fail("its context");
      }
      SSL_CTX_set_options(all.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);  // not all servers take leave
      SSL_CTX_set_read_ahead(all.get(), 1);  // one system call for a record, not two
      return all;
    }();
    return made.get();
  }

  [[noreturn]] static void fail(std::string const& what) {
    auto const code = ERR_get_error();
    char const* const reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    ERR_clear_error();
    throw std::runtime_error("TLS: " + what + " failed: " + (reason != nullptr ? reason : "the connection ended"));
  }

  int fd_;
  std::unique_ptr<SSL, openssl::freeing<&SSL_free>> connection_;
};

using tls_echo_load = basic_echo_load<tls_channel>;

}  // namespace bench
