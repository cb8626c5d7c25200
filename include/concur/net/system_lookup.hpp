// SPDX-License-Identifier: BSL-1.0
//
// What the system knows of names: the blocking calls beneath the resolver. Python's getaddrinfo, getnameinfo,
// gethostname.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/resolve_error.hpp>
#include <concur/net/resolve_query.hpp>

#include <array>
#include <cerrno>
#include <memory>
#include <netdb.h>
#include <new>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Asks the system, as getaddrinfo does: files, name servers and whatever else it is configured to ask, which may take
/// half a minute. The order is that of RFC 6724. Throws std::system_error, with a resolve_errc or an errno, and
/// std::bad_alloc. Any thread.
resolve_results system_lookup(resolve_query const& asked);

/// What a name is asked for.
class reverse_options {
 public:
  constexpr reverse_options() noexcept = default;

  /// A host that has no name is an error, host_not_found; otherwise its address stands for its name.
  constexpr reverse_options& name_required(bool value = true) noexcept {
    name_required_ = value;
    return *this;
  }

  /// The service is that of UDP, not TCP.
  constexpr reverse_options& datagram(bool value = true) noexcept {
    datagram_ = value;
    return *this;
  }

  constexpr bool is_name_required() const noexcept { return name_required_; }
  constexpr bool is_datagram() const noexcept { return datagram_; }

 private:
  bool name_required_ = false;
  bool datagram_ = false;
};

/// The names of an endpoint. Either is a number in digits if it has none.
class endpoint_name {
 public:
  endpoint_name() = default;
  endpoint_name(std::string host, std::string service) : host_(std::move(host)), service_(std::move(service)) {}
  std::string const& host() const noexcept { return host_; }
  std::string const& service() const noexcept { return service_; }

 private:
  std::string host_;
  std::string service_;
};

/// Asks the system for the names of an IP endpoint. Throws as `system_lookup` does, and family_not_supported for other
/// endpoints. What it gives was said by whoever runs the name server of that address: it proves nothing.
endpoint_name system_reverse_lookup(endpoint const& where, reverse_options options = {});

/// The name of this machine. Throws std::system_error.
std::string host_name();

namespace detail {

static_assert(int(resolve_errc::bad_options) == EAI_BADFLAGS && int(resolve_errc::host_not_found) == EAI_NONAME &&
              int(resolve_errc::try_again) == EAI_AGAIN && int(resolve_errc::no_recovery) == EAI_FAIL &&
              int(resolve_errc::no_address) == EAI_NODATA && int(resolve_errc::family_not_supported) == EAI_FAMILY &&
              int(resolve_errc::kind_not_supported) == EAI_SOCKTYPE &&
              int(resolve_errc::service_not_found) == EAI_SERVICE &&
              int(resolve_errc::wrong_family) == EAI_ADDRFAMILY && int(resolve_errc::too_long) == EAI_OVERFLOW);

/// Throws what a code of getaddrinfo stands for. `number` is errno.
[[noreturn, gnu::cold]] inline void throw_resolve_error(int code, int number, std::string const& what) {
  if (code == EAI_MEMORY) throw std::bad_alloc();
  if (code == EAI_SYSTEM) throw std::system_error(number, std::generic_category(), what);
  throw std::system_error(resolve_errc(code), what);
}

inline std::string resolving(resolve_query const& asked) {
  auto const with_service = asked.service().port() ? "" : ", service \"" + asked.service().text() + '"';
  return "resolving \"" + asked.host() + '"' + with_service;
}

}  // namespace detail

inline resolve_results system_lookup(resolve_query const& asked) {
  auto const& options = asked.options();
  addrinfo hints{};
  hints.ai_family = int(options.family());
  hints.ai_socktype = options.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  hints.ai_flags = (options.is_passive() ? AI_PASSIVE : 0) | (options.is_configured_only() ? AI_ADDRCONFIG : 0) |
                   (options.wants_canonical_name() && !asked.host().empty() ? AI_CANONNAME : 0);
  char const* const host = asked.host().empty() ? nullptr : asked.host().c_str();
  char const* const service = asked.service().text().empty() ? "0" : asked.service().text().c_str();
  addrinfo* found = nullptr;
  int const code = ::getaddrinfo(host, service, &hints, &found);
  if (code != 0) detail::throw_resolve_error(code, errno, detail::resolving(asked));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const freed(found, &::freeaddrinfo);
  std::vector<endpoint> endpoints;
  std::string canonical_name;
  if (found->ai_canonname != nullptr) canonical_name = found->ai_canonname;
  for (auto const* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
    endpoints.push_back(endpoint::from_sockaddr(each->ai_addr, each->ai_addrlen));
  }
  return resolve_results(std::move(endpoints), std::move(canonical_name));
}

inline endpoint_name system_reverse_lookup(endpoint const& where, reverse_options options) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  int const flags = (options.is_name_required() ? NI_NAMEREQD : 0) | (options.is_datagram() ? NI_DGRAM : 0);
  int code = EAI_FAMILY;
  if (where.is_ip()) {
    code = ::getnameinfo(where.data(), where.size(), host.data(), host.size(), service.data(), service.size(), flags);
  }
  if (code != 0) detail::throw_resolve_error(code, errno, "the name of " + where.to_string());
  return endpoint_name(host.data(), service.data());
}

inline std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) {
    throw std::system_error(errno, std::generic_category(), "the name of this machine");
  }
  return name.data();
}

}  // namespace concur::inline CONCUR_ABI
