// SPDX-License-Identifier: BSL-1.0
//
// What a resolver is asked, and what it answers. Those who write a lookup function of their own see both.
//
//     concur::resolve_results from_table(concur::resolve_query const& asked) {
//       if (asked.host() == "db") return concur::resolve_results({concur::endpoint::parse("10.0.0.7:5432")});
//       return concur::system_lookup(asked);
//     }
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/detail/ip_text.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/net/resolve_error.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls: resolve_options().family(address_family::ipv4).passive().
class resolve_options {
 public:
  constexpr resolve_options() noexcept = default;

  /// Only addresses of this family: ipv4 or ipv6. Both if not given.
  constexpr resolve_options& family(address_family value) noexcept {
    family_ = value;
    return *this;
  }

  /// Endpoints to listen at: no host means all addresses of this machine, instead of its loopback ones.
  constexpr resolve_options& passive(bool value = true) noexcept {
    passive_ = value;
    return *this;
  }

  /// For datagram sockets: services are looked up for UDP instead of TCP.
  constexpr resolve_options& datagram(bool value = true) noexcept {
    datagram_ = value;
    return *this;
  }

  /// Also gives the canonical name of the host.
  constexpr resolve_options& canonical_name(bool value = true) noexcept {
    canonical_name_ = value;
    return *this;
  }

  /// Leaves out a family of which this machine has no address but loopback (AI_ADDRCONFIG).
  constexpr resolve_options& configured_only(bool value = true) noexcept {
    configured_only_ = value;
    return *this;
  }

  constexpr address_family family() const noexcept { return family_; }
  constexpr bool is_passive() const noexcept { return passive_; }
  constexpr bool is_datagram() const noexcept { return datagram_; }
  constexpr bool wants_canonical_name() const noexcept { return canonical_name_; }
  constexpr bool is_configured_only() const noexcept { return configured_only_; }

 private:
  address_family family_ = address_family::unspecified;
  bool passive_ = false;
  bool datagram_ = false;
  bool canonical_name_ = false;
  bool configured_only_ = false;
};

/// A service, by its name or by its port. Made from either without a word, so that both `resolve(host, "https")` and
/// `resolve(host, 443)` are right.
class service_name {
 public:
  /// A name, or a number in digits; empty for port 0.
  template <std::convertible_to<std::string_view> Text>
  service_name(Text const& text) : text_(std::string_view(text)) {}

  /// A port. Throws std::invalid_argument if it is none.
  template <std::integral Number>
    requires(!std::same_as<Number, bool> && !std::same_as<Number, char>)
  service_name(Number port) : text_(std::to_string(port)) {
    if (!this->port()) throw std::invalid_argument("no port: " + text_);
  }

  std::string const& text() const noexcept { return text_; }

  /// The port, unless it is a name.
  std::optional<std::uint16_t> port() const noexcept {
    auto const number = text_.empty() ? 0 : detail::read_decimal(text_, 65535);
    return number < 0 ? std::nullopt : std::optional(std::uint16_t(number));
  }

 private:
  std::string text_;
};

/// A question. An empty host is this machine: its loopback addresses, or for passive options all of its addresses.
class resolve_query {
 public:
  /// Throws std::invalid_argument for a zero byte in one of the names, where the system would cut it.
  resolve_query(std::string host, service_name service, resolve_options options = resolve_options())
      : host_(std::move(host)), service_(std::move(service)), options_(options) {
    if (host_.find('\0') != host_.npos || service_.text().find('\0') != std::string::npos) {
      throw std::invalid_argument("the name of a host or service has a zero byte in it");
    }
  }

  std::string const& host() const noexcept { return host_; }
  service_name const& service() const noexcept { return service_; }
  resolve_options const& options() const noexcept { return options_; }

 private:
  std::string host_;
  service_name service_;
  resolve_options options_;
};

/// The answer: endpoints, no two of them equal, in the order in which they are to be tried; and the canonical name of
/// the host, if that was asked for. A contiguous range, so it can be given where a span of endpoints is wanted.
class resolve_results {
 public:
  resolve_results() = default;

  /// Later ones that are equal to earlier ones are dropped.
  explicit resolve_results(std::vector<endpoint> endpoints, std::string canonical_name = {})
      : endpoints_(std::move(endpoints)), canonical_name_(std::move(canonical_name)) {
    auto kept = endpoints_.begin();
    for (auto const& each : endpoints_) {
      if (std::find(endpoints_.begin(), kept, each) == kept) *kept++ = each;
    }
    endpoints_.erase(kept, endpoints_.end());
  }

  std::vector<endpoint> const& endpoints() const& noexcept { return endpoints_; }
  std::vector<endpoint> endpoints() && noexcept { return std::move(endpoints_); }
  std::string const& canonical_name() const noexcept { return canonical_name_; }

  endpoint const* data() const noexcept { return endpoints_.data(); }
  std::size_t size() const noexcept { return endpoints_.size(); }
  bool empty() const noexcept { return endpoints_.empty(); }
  endpoint const* begin() const noexcept { return data(); }
  endpoint const* end() const noexcept { return data() + size(); }
  endpoint const& front() const noexcept { return endpoints_.front(); }
  endpoint const& operator[](std::size_t i) const noexcept { return endpoints_[i]; }

 private:
  std::vector<endpoint> endpoints_;
  std::string canonical_name_;
};

/// The answer to a question in which the host is an address and the service a number, and nothing for others. Throws
/// std::system_error (resolve_errc::wrong_family) if the options want another family.
inline std::optional<resolve_results> numeric_lookup(resolve_query const& asked) {
  auto const port = asked.service().port();
  if (!port || asked.host().empty()) return std::nullopt;
  auto const address = ip_address::try_parse(asked.host());
  if (!address) return std::nullopt;
  auto const wanted = asked.options().family();
  if (wanted != address_family::unspecified && wanted != address->family()) {
    throw std::system_error(resolve_errc::wrong_family, "resolving \"" + asked.host() + '"');
  }
  return resolve_results({endpoint(*address, *port)},
                         asked.options().wants_canonical_name() ? address->to_string() : std::string());
}

}  // namespace concur::inline CONCUR_ABI
