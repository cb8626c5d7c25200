// SPDX-License-Identifier: BSL-1.0
//
// Where a socket is, or can be reached: an IP address and a port, or a name of a Unix socket. Asio's endpoint, of all
// protocols; asyncio's pair of host and port.
//
//     concur::endpoint const web(concur::ip_address::loopback_v6(), 80);              // [::1]:80
//     auto const here = concur::endpoint::parse("127.0.0.1:8899");
//     auto const local = concur::endpoint::unix_path("/run/spider.sock");             // unix:/run/spider.sock
//     ::connect(fd, here.data(), here.size());
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/net/detail/unix_text.hpp>
#include <concur/net/ip_address.hpp>

#include <bit>
#include <cerrno>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iosfwd>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// A value of 116 bytes, trivially copyable, that holds the system's own form; nothing about it allocates but its text.
/// Its family is that of an IP address, unix_domain, or unspecified for one made without arguments, which is nowhere:
/// what a datagram from an unnamed socket says of its sender.
///
/// A Unix socket has a path; or an abstract name, which is any bytes, belongs to no file and goes with its socket; or
/// no name, as clients have in general.
///
/// The text is `127.0.0.1:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `unix:/a/path`, `unix:@an abstract name`, `unix:` for
/// one without a name. In names every byte that is not printable or not ASCII, a backslash, and an @ at the beginning
/// of a path are written as \xHH. Equal endpoints have the same text, and reading it gives the same endpoint. Nowhere
/// is written `none`, which cannot be read.
///
/// Ordered by family, then address and port, or kind of name and its bytes.
class endpoint {
 public:
  /// The longest path or abstract name of a Unix socket, in bytes.
  static constexpr std::size_t max_unix_path = sizeof(sockaddr_un::sun_path);
  static constexpr std::size_t max_unix_abstract = max_unix_path - 1;

  /// Nowhere.
  constexpr endpoint() noexcept = default;

  constexpr endpoint(ip_address const& address, std::uint16_t port) noexcept;

  /// A Unix socket with a file. Throws std::system_error (ENAMETOOLONG) for a path that is too long, and
  /// std::invalid_argument for one that is empty or has a zero byte in it.
  static constexpr endpoint unix_path(std::string_view path);

  /// A Unix socket with an abstract name, given without the zero byte before it. Throws std::system_error
  /// (ENAMETOOLONG).
  static constexpr endpoint unix_abstract(std::string_view name);

  /// A Unix socket without a name. Binding to it has the system choose an abstract one.
  static constexpr endpoint unix_unnamed() noexcept;

  /// From what a system call gave. No bytes at all are nowhere. Throws std::system_error: EINVAL if there are fewer
  /// than an address of that family has, or more than it can have; EAFNOSUPPORT for families that are not known here.
  /// The flow label of IPv6 is not kept.
  static endpoint from_sockaddr(sockaddr const* address, std::size_t size);

  /// For system calls: the address and how long it is. Lives as long as this object. Nowhere has a size of 0.
  sockaddr const* data() const noexcept { return reinterpret_cast<sockaddr const*>(&form_); }
  constexpr socklen_t size() const noexcept { return size_; }

  /// Reads the text above, all of it; the port is a number up to 65535. Throws std::invalid_argument, which says what
  /// is wrong.
  static constexpr endpoint parse(std::string_view text);

  /// The same, but gives nothing for any other text.
  static constexpr std::optional<endpoint> try_parse(std::string_view text) noexcept;

  constexpr address_family family() const noexcept { return family_; }
  constexpr bool is_ip() const noexcept { return family_ == address_family::ipv4 || family_ == address_family::ipv6; }
  constexpr bool is_unix() const noexcept { return family_ == address_family::unix_domain; }

  /// Whether it is not nowhere.
  constexpr explicit operator bool() const noexcept { return family_ != address_family::unspecified; }

  /// Address and port; they throw misuse if it is no IP endpoint.
  constexpr ip_address address() const;
  constexpr std::uint16_t port() const;

  /// The same address with another port.
  constexpr endpoint with_port(std::uint16_t port) const { return endpoint(address(), port); }

  /// Whether it is a Unix socket with an abstract name, and whether one without a name.
  constexpr bool is_abstract() const noexcept {
    return is_unix() && size_ > path_at && form_.named.sun_path[0] == '\0';
  }
  constexpr bool is_unnamed() const noexcept { return is_unix() && size_ == path_at; }

  /// Path or abstract name of a Unix socket, without a zero byte before or behind it; empty for all others. Lives as
  /// long as this object.
  constexpr std::string_view unix_name() const noexcept;

  /// The text. Throws std::bad_alloc.
  std::string to_string() const;
  void append_to(std::string& out) const;

  friend constexpr bool operator==(endpoint const& a, endpoint const& b) noexcept { return (a <=> b) == 0; }
  friend constexpr std::strong_ordering operator<=>(endpoint const& a, endpoint const& b) noexcept;

  template <class Traits>
  friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, endpoint const& shown) {
    return out << std::string_view(shown.to_string());
  }

 private:
  static constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);

  // What is not used is zero, so that the bytes of equal endpoints are equal.
  union system_form {
    sockaddr none;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un named;
  };

  static constexpr std::uint16_t swapped(std::uint16_t port) noexcept {
    return std::endian::native == std::endian::little ? std::uint16_t(port << 8U | port >> 8U) : port;
  }
  static constexpr endpoint with_name(std::string_view name, bool abstract) noexcept;
  static constexpr detail::text_fault read(std::string_view text, endpoint& out) noexcept;
  static constexpr detail::text_fault read_unix(std::string_view text, endpoint& out) noexcept;

  system_form form_{.none = {}};  // the member that family_ says
  address_family family_ = address_family::unspecified;
  std::uint8_t size_ = 0;
};

static_assert(std::is_trivially_copyable_v<endpoint> && sizeof(endpoint) <= 116);
static_assert(int(address_family::unix_domain) == AF_UNIX && int(address_family::ipv4) == AF_INET &&
              int(address_family::ipv6) == AF_INET6 && int(address_family::unspecified) == AF_UNSPEC);

constexpr endpoint::endpoint(ip_address const& address, std::uint16_t port) noexcept : family_(address.family()) {
  auto const bytes = address.bytes();
  if (address.is_v4()) {
    form_.v4 = sockaddr_in{};
    form_.v4.sin_family = AF_INET;
    form_.v4.sin_port = swapped(port);
    std::uint32_t const number = address.to_uint();
    form_.v4.sin_addr.s_addr = std::endian::native == std::endian::little ? __builtin_bswap32(number) : number;
    size_ = sizeof(sockaddr_in);
  } else {
    form_.v6 = sockaddr_in6{};
    form_.v6.sin6_family = AF_INET6;
    form_.v6.sin6_port = swapped(port);
    for (std::size_t i = 0; i < bytes.size(); ++i) form_.v6.sin6_addr.s6_addr[i] = bytes[i];
    form_.v6.sin6_scope_id = address.scope_id();
    size_ = sizeof(sockaddr_in6);
  }
}

constexpr endpoint endpoint::with_name(std::string_view name, bool abstract) noexcept {
  endpoint result;
  result.form_.named = sockaddr_un{};
  result.form_.named.sun_family = AF_UNIX;
  std::size_t const shift = abstract ? 1 : 0;
  for (std::size_t i = 0; i < name.size(); ++i) result.form_.named.sun_path[shift + i] = name[i];
  result.family_ = address_family::unix_domain;
  // A path has a zero byte behind it, if there is room.
  auto const used = abstract || name.empty() || name.size() == max_unix_path ? shift + name.size() : name.size() + 1;
  result.size_ = std::uint8_t(path_at + used);
  return result;
}

constexpr endpoint endpoint::unix_path(std::string_view path) {
  if (path.empty()) throw std::invalid_argument("the path of a Unix socket is empty");
  if (path.find('\0') != path.npos) throw std::invalid_argument("the path of a Unix socket has a zero byte in it");
  if (path.size() > max_unix_path) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(), "the path of a Unix socket");
  }
  return with_name(path, false);
}

constexpr endpoint endpoint::unix_abstract(std::string_view name) {
  if (name.size() > max_unix_abstract) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(), "the abstract name of a Unix socket");
  }
  return with_name(name, true);
}

constexpr endpoint endpoint::unix_unnamed() noexcept { return with_name({}, false); }

inline endpoint endpoint::from_sockaddr(sockaddr const* address, std::size_t size) {
  auto const require = [](bool right) {
    if (!right) throw std::system_error(EINVAL, std::generic_category(), "an address of a socket has a wrong length");
  };
  if (size == 0) return endpoint();
  require(size >= sizeof(sa_family_t));
  // Copied from a pointer without a type, since nobody sees to it that a buffer of bytes is aligned.
  void const* const untyped = address;
  sa_family_t family = 0;
  std::memcpy(&family, untyped, sizeof family);
  if (family == AF_INET) {
    sockaddr_in from{};
    require(size >= sizeof from);
    std::memcpy(&from, untyped, sizeof from);
    return endpoint(ip_address::from_uint(ntohl(from.sin_addr.s_addr)), ntohs(from.sin_port));
  }
  if (family == AF_INET6) {
    sockaddr_in6 from{};
    require(size >= sizeof from);
    std::memcpy(&from, untyped, sizeof from);
    ip_address::v6_bytes bytes{};
    std::memcpy(bytes.data(), &from.sin6_addr, bytes.size());
    return endpoint(ip_address(bytes, from.sin6_scope_id), ntohs(from.sin6_port));
  }
  if (family != AF_UNIX) throw std::system_error(EAFNOSUPPORT, std::generic_category(), "an address of a socket");
  auto const* const name = static_cast<char const*>(untyped) + path_at;
  auto const length = size - path_at;
  if (length == 0) return unix_unnamed();
  if (name[0] == '\0') {
    require(length <= max_unix_path);
    return with_name({name + 1, length - 1}, true);
  }
  // The system counts the zero byte behind a path of full length, for which there is no room.
  auto const path = std::string_view(name, length < max_unix_path ? length : max_unix_path);
  auto const end = path.find('\0');
  require(end != path.npos || length <= max_unix_path + 1);
  return with_name(path.substr(0, end), false);
}

constexpr endpoint endpoint::parse(std::string_view text) {
  endpoint result;
  if (auto const fault = read(text, result)) detail::throw_bad_text("an endpoint", text, fault);
  return result;
}

constexpr std::optional<endpoint> endpoint::try_parse(std::string_view text) noexcept {
  endpoint result;
  if (read(text, result) != nullptr) return std::nullopt;
  return result;
}

constexpr detail::text_fault endpoint::read(std::string_view text, endpoint& out) noexcept {
  if (text.starts_with(detail::unix_prefix)) return read_unix(text.substr(detail::unix_prefix.size()), out);
  bool const bracketed = text.starts_with('[');
  // The name of an interface may have a bracket in it, but no colon.
  auto const end = bracketed ? text.rfind(']') : text.find(':');
  if (end == text.npos) return bracketed ? "its bracket is not closed" : "the port is missing";
  auto const behind = bracketed ? text.substr(end + 1) : text.substr(end);
  if (!bracketed && text.rfind(':') != end) return "an IPv6 address before a port stands in brackets";
  auto const address_text = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  ip_address address;
  if (auto const fault = ip_address::read(address_text, address)) return fault;
  if (bracketed && address.is_v4()) return "only an IPv6 address stands in brackets";
  if (!behind.starts_with(':')) return "the port is missing";
  auto const port = detail::read_decimal(behind.substr(1), 65535);
  if (port < 0) return "its port is no number from 0 to 65535";
  out = endpoint(address, std::uint16_t(port));
  return nullptr;
}

constexpr detail::text_fault endpoint::read_unix(std::string_view text, endpoint& out) noexcept {
  bool const abstract = text.starts_with('@');
  detail::unix_name_text name;
  if (auto const fault = name.read(abstract ? text.substr(1) : text)) return fault;
  if (abstract && name.bytes().size() > max_unix_abstract) return "its name is too long";
  if (!abstract && name.bytes().find('\0') != std::string_view::npos) return "its path has a zero byte in it";
  out = with_name(name.bytes(), abstract);
  return nullptr;
}

constexpr ip_address endpoint::address() const {
  if (family_ == address_family::ipv4) {
    auto const number = form_.v4.sin_addr.s_addr;
    return ip_address::from_uint(std::endian::native == std::endian::little ? __builtin_bswap32(number) : number);
  }
  if (family_ != address_family::ipv6) throw misuse("an endpoint that is none of IP was asked for its IP address");
  ip_address::v6_bytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = form_.v6.sin6_addr.s6_addr[i];
  return ip_address(bytes, form_.v6.sin6_scope_id);
}

constexpr std::uint16_t endpoint::port() const {
  if (!is_ip()) throw misuse("an endpoint that is none of IP was asked for its port");
  return swapped(family_ == address_family::ipv4 ? form_.v4.sin_port : form_.v6.sin6_port);
}

constexpr std::string_view endpoint::unix_name() const noexcept {
  if (!is_unix() || size_ == path_at) return {};
  auto const* const path = static_cast<char const*>(form_.named.sun_path);
  std::size_t const used = size_ - path_at;
  if (path[0] == '\0') return {path + 1, used - 1};
  return {path, path[used - 1] == '\0' ? used - 1 : used};
}

constexpr std::strong_ordering operator<=>(endpoint const& a, endpoint const& b) noexcept {
  if (a.family_ != b.family_) return a.family_ <=> b.family_;
  if (a.is_ip()) {
    auto const order = a.address() <=> b.address();
    return order != 0 ? order : a.port() <=> b.port();
  }
  if (a.is_unnamed() != b.is_unnamed()) return b.is_unnamed() <=> a.is_unnamed();
  if (a.is_abstract() != b.is_abstract()) return a.is_abstract() <=> b.is_abstract();
  return a.unix_name() <=> b.unix_name();
}

inline std::string endpoint::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

inline void endpoint::append_to(std::string& out) const {
  if (is_unix()) {
    out += detail::unix_prefix;
    if (is_abstract()) out += '@';
    return detail::append_unix_name(out, unix_name(), !is_abstract());
  }
  if (!is_ip()) {
    out += "none";
    return;
  }
  auto const shown = address();
  if (shown.is_v6()) out += '[';
  shown.append_to(out);
  out += shown.is_v6() ? "]:" : ":";
  out += std::to_string(port());
}

}  // namespace concur::inline CONCUR_ABI

template <>
struct std::hash<concur::endpoint> {
  std::size_t operator()(concur::endpoint const& where) const noexcept {
    return std::hash<std::string_view>()({reinterpret_cast<char const*>(where.data()), where.size()});
  }
};
