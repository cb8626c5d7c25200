// SPDX-License-Identifier: BSL-1.0
//
// How an http_client works.
//
//     http_client client(client_options().header("Accept", "text/html").timeout(30s).connections_per_host(6));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/client_settings.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls.
class client_options : public client_settings<client_options> {
 public:
  client_options() noexcept {}

  // ---- connections

  /// How many connections are kept when they are idle; 64 by default.
  client_options& idle_connections(std::size_t count) noexcept {
    idle_connections_ = count;
    return *this;
  }
  std::size_t idle_connections() const noexcept { return idle_connections_; }

  /// How many connections there are to one host at a time; further requests wait. Zero, the default, is no limit.
  client_options& connections_per_host(std::size_t count) noexcept {
    connections_per_host_ = count;
    return *this;
  }
  std::size_t connections_per_host() const noexcept { return connections_per_host_; }

  /// Through this proxy: "http://proxy:3128", "socks5h://…". By default as libcurl does: what the environment says in
  /// http_proxy, https_proxy, no_proxy and so on.
  client_options& proxy(std::string url) noexcept {
    proxy_ = std::move(url);
    return *this;
  }
  client_options& without_proxy() { return proxy({}); }
  std::optional<std::string> const& proxy() const noexcept { return proxy_; }

  // ---- TLS

  /// The authorities, in PEM, of which one must have issued the host's certificate; instead of the system's store.
  client_options& ca_file(std::string path) noexcept {
    ca_file_ = std::move(path);
    return *this;
  }
  std::string const& ca_file() const noexcept { return ca_file_; }

  /// Accepts whatever certificate a host shows. Anybody on the way can then read and change all that is said: for
  /// tests, and where something else proves who the host is.
  client_options& without_verification() noexcept {
    verifies_ = false;
    return *this;
  }
  bool verifies() const noexcept { return verifies_; }

  // ---- bodies

  /// Asks for no compression, and gives what comes as it is.
  client_options& without_decompression() noexcept {
    decompresses_ = false;
    return *this;
  }
  bool decompresses() const noexcept { return decompresses_; }

  /// How much of the answer a client_stream holds for its reader before it lets the host wait; 256 KiB by default. One
  /// packet more may come, and what the system has in its buffers.
  client_options& read_ahead(std::size_t bytes) noexcept {
    read_ahead_ = bytes;
    return *this;
  }
  std::size_t read_ahead() const noexcept { return read_ahead_; }

 private:
  std::size_t idle_connections_ = 64;
  std::size_t connections_per_host_ = 0;
  std::size_t read_ahead_ = 256 * 1024;
  std::optional<std::string> proxy_;
  std::string ca_file_;
  bool verifies_ = true;
  bool decompresses_ = true;
};

}  // namespace concur::inline CONCUR_ABI
