// SPDX-License-Identifier: BSL-1.0
//
// An address of the Internet Protocol, of either version. Python's ipaddress, Asio's ip::address.
//
//     constexpr auto here = concur::ip_address::parse("127.0.0.1");
//     if (auto const typed = concur::ip_address::try_parse(text); typed && typed->is_private()) …
//     std::puts(concur::ip_address::parse("FE80:0::1%eth0").to_string().c_str());     // fe80::1%eth0
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/net/detail/interface_name.hpp>
#include <concur/net/detail/ip_text.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace concur::inline CONCUR_ABI {

/// Which kind of address; the numbers are those of the system (AF_INET …).
enum class address_family : std::uint16_t {
  unspecified = 0,  ///< none, or any
  unix_domain = 1,
  ipv4 = 2,
  ipv6 = 10,
};

/// A value of 24 bytes, trivially copyable; nothing about it allocates but its text. The scope of an IPv6 address is
/// the index of a network interface, 0 for none; it is part of the value.
///
/// The text is canonical (RFC 5952): equal addresses have the same one, and reading it gives the same address. A scope
/// is written as the name of its interface while there is one, and read as a name or a number; the system is asked for
/// that, so in a constant expression it must be a number.
///
/// Ordered by version (IPv4 first), then bytes, then scope.
class ip_address {
 public:
  using v4_bytes = std::array<std::uint8_t, 4>;
  using v6_bytes = std::array<std::uint8_t, 16>;

  /// 0.0.0.0
  constexpr ip_address() noexcept = default;

  /// From bytes in the order in which they are written and sent.
  constexpr explicit ip_address(v4_bytes const& bytes) noexcept;
  constexpr explicit ip_address(v6_bytes const& bytes, std::uint32_t scope_id = 0) noexcept
      : bytes_(bytes), scope_id_(scope_id), is_v4_(false) {}

  /// An IPv4 address from its number: 0x7f000001 is 127.0.0.1.
  static constexpr ip_address from_uint(std::uint32_t number) noexcept;

  /// 0.0.0.0 and ::, which a listener takes for "all of this machine"; 127.0.0.1 and ::1.
  static constexpr ip_address any_v4() noexcept { return ip_address(); }
  static constexpr ip_address any_v6() noexcept { return ip_address(v6_bytes{}); }
  static constexpr ip_address loopback_v4() noexcept { return from_uint(0x7f000001); }
  static constexpr ip_address loopback_v6() noexcept {
    return ip_address(v6_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  }

  /// Reads an address: four decimal numbers without leading zeros, or IPv6 in any form of RFC 4291, with a scope behind
  /// a percent sign or without. Nothing around it, no port, no prefix length. Throws std::invalid_argument, which says
  /// what is wrong.
  static constexpr ip_address parse(std::string_view text);

  /// The same, but gives nothing for any other text.
  static constexpr std::optional<ip_address> try_parse(std::string_view text) noexcept;

  constexpr bool is_v4() const noexcept { return is_v4_; }
  constexpr bool is_v6() const noexcept { return !is_v4_; }
  constexpr address_family family() const noexcept { return is_v4_ ? address_family::ipv4 : address_family::ipv6; }

  /// The bytes, 4 or 16, in the order in which they are sent. They live as long as this object.
  constexpr std::span<std::uint8_t const> bytes() const noexcept { return {bytes_.data(), is_v4_ ? 4U : 16U}; }

  /// An IPv4 address as a number. Throws misuse for the others.
  constexpr std::uint32_t to_uint() const;

  /// The scope; 0 for none, and for IPv4.
  constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

  /// The same IPv6 address in another scope. Throws misuse for IPv4, which has none.
  constexpr ip_address with_scope(std::uint32_t scope_id) const;

  /// Whether it is an IPv4 address in the form of IPv6, ::ffff:1.2.3.4, as a socket of IPv6 shows them.
  constexpr bool is_v4_mapped() const noexcept;

  /// That form of an IPv4 address, and back. Other addresses are given back as they are.
  constexpr ip_address mapped() const noexcept;
  constexpr ip_address unmapped() const noexcept;

  // What follows takes a mapped address for the one that it stands for: so a filter is not passed by writing an
  // address in the other form.

  /// 0.0.0.0, ::
  constexpr bool is_unspecified() const noexcept;

  /// 127.0.0.0/8, ::1
  constexpr bool is_loopback() const noexcept;

  /// 224.0.0.0/4, ff00::/8
  constexpr bool is_multicast() const noexcept;

  /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7
  constexpr bool is_private() const noexcept;

  /// 169.254.0.0/16, fe80::/10
  constexpr bool is_link_local() const noexcept;

  /// The canonical text. Throws std::bad_alloc.
  std::string to_string() const;
  void append_to(std::string& out) const;

  friend constexpr bool operator==(ip_address const&, ip_address const&) noexcept = default;
  friend constexpr std::strong_ordering operator<=>(ip_address const& a, ip_address const& b) noexcept;

  template <class Traits>
  friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, ip_address const& shown) {
    return out << std::string_view(shown.to_string());
  }

 private:
  friend class endpoint;  // reads one as a part of its own text

  static constexpr detail::text_fault read(std::string_view text, ip_address& out) noexcept;
  constexpr detail::text_fault read_scope(std::string_view text) noexcept;

  /// The number of the first bytes, of what a mapped address stands for.
  constexpr bool has_v4_prefix(std::uint32_t prefix, int bits) const noexcept;
  constexpr bool has_v6_prefix(std::uint32_t prefix, int bits) const noexcept;

  v6_bytes bytes_{};  // the first four of an IPv4 address; the rest is zero
  std::uint32_t scope_id_ = 0;
  bool is_v4_ = true;
};

static_assert(std::is_trivially_copyable_v<ip_address> && sizeof(ip_address) == 24);

constexpr ip_address::ip_address(v4_bytes const& bytes) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes_[i] = bytes[i];
}

constexpr ip_address ip_address::from_uint(std::uint32_t number) noexcept {
  return ip_address(v4_bytes{std::uint8_t(number >> 24U), std::uint8_t(number >> 16U), std::uint8_t(number >> 8U),
                             std::uint8_t(number)});
}

constexpr ip_address ip_address::parse(std::string_view text) {
  ip_address result;
  if (auto const fault = read(text, result)) detail::throw_bad_text("an IP address", text, fault);
  return result;
}

constexpr std::optional<ip_address> ip_address::try_parse(std::string_view text) noexcept {
  ip_address result;
  if (read(text, result) != nullptr) return std::nullopt;
  return result;
}

constexpr detail::text_fault ip_address::read(std::string_view text, ip_address& out) noexcept {
  if (text.empty()) return "it is empty";
  auto const percent = text.find('%');
  auto const address = text.substr(0, percent);
  out.is_v4_ = address.find(':') == address.npos;
  if (out.is_v4_) {
    if (percent != text.npos) return "only an IPv6 address has a scope";
    return detail::read_v4(address, out.bytes_.data());
  }
  if (auto const fault = detail::v6_reader(address).read(out.bytes_.data())) return fault;
  return percent == text.npos ? nullptr : out.read_scope(text.substr(percent + 1));
}

constexpr detail::text_fault ip_address::read_scope(std::string_view text) noexcept {
  if (text.empty()) return "its scope is empty";
  if (text.find_first_not_of("0123456789") == text.npos) {
    auto const number = detail::read_decimal(text, UINT32_MAX);
    if (number < 0) return "its scope is no number of an interface";
    scope_id_ = std::uint32_t(number);
    return nullptr;
  }
  if (std::is_constant_evaluated()) return "its scope is a name, which only the running system knows";
  scope_id_ = detail::index_of_interface(text);
  return scope_id_ == 0 ? "its scope names no interface of this machine" : nullptr;
}

constexpr std::uint32_t ip_address::to_uint() const {
  if (!is_v4_) throw misuse("an IPv6 address was asked for its number, which is too long");
  return std::uint32_t(bytes_[0]) << 24U | std::uint32_t(bytes_[1]) << 16U | std::uint32_t(bytes_[2]) << 8U | bytes_[3];
}

constexpr ip_address ip_address::with_scope(std::uint32_t scope_id) const {
  if (is_v4_) throw misuse("an IPv4 address was given a scope");
  return ip_address(bytes_, scope_id);
}

constexpr bool ip_address::is_v4_mapped() const noexcept {
  if (is_v4_ || bytes_[10] != 0xff || bytes_[11] != 0xff) return false;
  for (std::size_t i = 0; i < 10; ++i) {
    if (bytes_[i] != 0) return false;
  }
  return true;
}

constexpr ip_address ip_address::mapped() const noexcept {
  if (!is_v4_) return *this;
  return ip_address(v6_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, bytes_[0], bytes_[1], bytes_[2], bytes_[3]});
}

constexpr ip_address ip_address::unmapped() const noexcept {
  if (!is_v4_mapped()) return *this;
  return ip_address(v4_bytes{bytes_[12], bytes_[13], bytes_[14], bytes_[15]});
}

constexpr bool ip_address::has_v4_prefix(std::uint32_t prefix, int bits) const noexcept {
  auto const plain = unmapped();
  return plain.is_v4_ && (plain.to_uint() ^ prefix) >> unsigned(32 - bits) == 0;
}

constexpr bool ip_address::has_v6_prefix(std::uint32_t prefix, int bits) const noexcept {
  unsigned const first = unsigned(bytes_[0]) << 8U | bytes_[1];
  return !is_v4_ && (first ^ prefix) >> unsigned(16 - bits) == 0;
}

constexpr bool ip_address::is_unspecified() const noexcept {
  return has_v4_prefix(0, 32) || (!is_v4_ && bytes_ == v6_bytes{});
}

constexpr bool ip_address::is_loopback() const noexcept {
  return has_v4_prefix(0x7f000000, 8) || (!is_v4_ && bytes_ == loopback_v6().bytes_);
}

constexpr bool ip_address::is_multicast() const noexcept {
  return has_v4_prefix(0xe0000000, 4) || has_v6_prefix(0xff00, 8);
}

constexpr bool ip_address::is_private() const noexcept {
  return has_v4_prefix(0x0a000000, 8) || has_v4_prefix(0xac100000, 12) || has_v4_prefix(0xc0a80000, 16) ||
         has_v6_prefix(0xfc00, 7);
}

constexpr bool ip_address::is_link_local() const noexcept {
  return has_v4_prefix(0xa9fe0000, 16) || has_v6_prefix(0xfe80, 10);
}

constexpr std::strong_ordering operator<=>(ip_address const& a, ip_address const& b) noexcept {
  if (a.is_v4_ != b.is_v4_) return b.is_v4_ <=> a.is_v4_;
  // Not the arrays: the library of Clang 16 has no order of three for them.
  for (std::size_t i = 0; i < a.bytes_.size(); ++i) {
    if (a.bytes_[i] != b.bytes_[i]) return a.bytes_[i] <=> b.bytes_[i];
  }
  return a.scope_id_ <=> b.scope_id_;
}

inline std::string ip_address::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

inline void ip_address::append_to(std::string& out) const {
  std::array<char, 40> room{};
  char* const end = is_v4_ ? detail::write_v4(room.data(), bytes_.data())
                           : detail::write_v6(room.data(), bytes_.data(), is_v4_mapped());
  out.append(room.data(), end);
  if (scope_id_ == 0) return;
  out += '%';
  detail::interface_name const name(scope_id_);
  if (!name.text().empty()) {
    out += name.text();
  } else {
    out.append(room.data(), detail::write_number(room.data(), scope_id_, 10));
  }
}

}  // namespace concur::inline CONCUR_ABI

template <>
struct std::hash<concur::ip_address> {
  std::size_t operator()(concur::ip_address const& address) const noexcept {
    auto const bytes = address.bytes();
    std::string_view const seen(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    return std::hash<std::string_view>()(seen) ^ address.scope_id();
  }
};
