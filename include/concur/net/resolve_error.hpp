// SPDX-License-Identifier: BSL-1.0
//
// Why a name could not be resolved. These are the codes of std::system_error that the resolver throws.
//
//     try {
//       auto const found = concur::resolve("www.exmaple.org", 443);
//     } catch (std::system_error const& error) {
//       if (error.code() == concur::resolve_errc::try_again) …
//       std::puts(error.what());      // resolving "www.exmaple.org": no such host is known
//     }
#pragma once

#include <concur/core/abi.hpp>

#include <string>
#include <system_error>
#include <type_traits>

namespace concur {
// Outside the ABI tag: a category is compared by its address, and plugins of whatever build share it.
namespace [[gnu::visibility("default")]] process_wide {

/// The numbers are those of getaddrinfo in the C library.
enum class resolve_errc : int {
  bad_options = -1,           ///< options that contradict each other
  host_not_found = -2,        ///< no such host, for all that is known
  try_again = -3,             ///< no name server answered: it may be known later
  no_recovery = -4,           ///< a name server refused to answer
  no_address = -5,            ///< the host is known, but has no address of the wanted kind
  family_not_supported = -6,  ///< the machine has no such family of addresses
  kind_not_supported = -7,    ///< no such kind of socket
  service_not_found = -8,     ///< no such service for this kind of socket
  wrong_family = -9,          ///< the host is given as an address of another family than the one wanted
  too_long = -12,             ///< a name is too long
};

/// What std::error_code shows of them.
class resolve_category_type final : public std::error_category {
 public:
  char const* name() const noexcept override { return "resolver"; }
  std::string message(int code) const override {
    switch (resolve_errc(code)) {
      case resolve_errc::bad_options: return "the options contradict each other";
      case resolve_errc::host_not_found: return "no such host is known";
      case resolve_errc::try_again: return "no name server has answered; it may help to try again later";
      case resolve_errc::no_recovery: return "the name server could not answer";
      case resolve_errc::no_address: return "the host has no address of the wanted kind";
      case resolve_errc::family_not_supported: return "the family of addresses is not supported";
      case resolve_errc::kind_not_supported: return "the kind of socket is not supported";
      case resolve_errc::service_not_found: return "no such service is known for this kind of socket";
      case resolve_errc::wrong_family: return "the host is an address of another family than the one wanted";
      case resolve_errc::too_long: return "a name is too long";
    }
    return "the resolver failed with code " + std::to_string(code);
  }
};

// Never destroyed: errors are shown at the end of the process, too.
union kept_resolve_category {
  constexpr kept_resolve_category() noexcept : category() {}
  ~kept_resolve_category() {}
  resolve_category_type category;
};
inline constinit kept_resolve_category the_resolve_category;

/// The category of these codes.
inline std::error_category const& resolve_category() noexcept { return the_resolve_category.category; }

inline std::error_code make_error_code(resolve_errc code) noexcept { return {int(code), resolve_category()}; }

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

using process_wide::make_error_code;
using process_wide::resolve_category;
using process_wide::resolve_errc;

}  // namespace concur::inline CONCUR_ABI

template <>
struct std::is_error_code_enum<concur::process_wide::resolve_errc> : std::true_type {};
