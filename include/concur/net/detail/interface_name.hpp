// SPDX-License-Identifier: BSL-1.0
//
// The scope of an IPv6 address between its number and the name of the network interface.
#pragma once

#include <concur/core/abi.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <net/if.h>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// The index of the interface of that name, or 0. Asks the system; keeps errno.
inline std::uint32_t index_of_interface(std::string_view name) noexcept {
  std::array<char, IF_NAMESIZE> terminated{};
  if (name.size() >= terminated.size()) return 0;
  std::copy(name.begin(), name.end(), terminated.begin());
  if (name.find('\0') != name.npos) return 0;
  int const saved = errno;
  auto const index = ::if_nametoindex(terminated.data());
  errno = saved;
  return index;
}

/// The name of an interface, if it has one that can be told from a number and shown on a line.
class interface_name {
 public:
  /// Asks the system; keeps errno.
  explicit interface_name(std::uint32_t index) noexcept {
    int const saved = errno;
    bool const known = ::if_indextoname(index, room_.data()) != nullptr;
    errno = saved;
    if (!known) room_[0] = '\0';
    auto const is_printable = [](char c) { return c > ' ' && c <= '~'; };
    if (!std::all_of(text().begin(), text().end(), is_printable)) room_[0] = '\0';
    if (text().find_first_not_of("0123456789") == std::string_view::npos) room_[0] = '\0';
  }

  /// Empty if there is none. Lives as long as this object.
  std::string_view text() const noexcept { return room_.data(); }

 private:
  std::array<char, IF_NAMESIZE> room_{};
};

}  // namespace concur::inline CONCUR_ABI::detail
