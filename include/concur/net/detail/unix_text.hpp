// SPDX-License-Identifier: BSL-1.0
//
// Names of Unix sockets as text on one line: what cannot be shown is written as \xHH.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/net/detail/ip_text.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/un.h>

namespace concur::inline CONCUR_ABI::detail {

inline constexpr std::string_view unix_prefix = "unix:";

/// A name, read from its text.
class unix_name_text {
 public:
  constexpr text_fault read(std::string_view text) noexcept {
    while (!text.empty()) {
      if (size_ == room_.size()) return "its name is too long";
      int value = text[0];
      std::size_t used = 1;
      if (text[0] == '\\') {
        used = 4;
        int const high = text.size() < used || text[1] != 'x' ? -1 : hex_value(text[2]);
        int const low = high < 0 ? -1 : hex_value(text[3]);
        if (low < 0) return "there is a backslash without x and two digits behind it";
        value = high * 16 + low;
      }
      room_[size_++] = char(value);
      text.remove_prefix(used);
    }
    return nullptr;
  }

  constexpr std::string_view bytes() const noexcept { return {room_.data(), size_}; }

 private:
  std::array<char, sizeof(sockaddr_un::sun_path)> room_{};
  std::size_t size_ = 0;
};

/// Appends the text of a name. A path must not begin like an abstract name.
inline void append_unix_name(std::string& out, std::string_view name, bool is_path) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    auto const byte = static_cast<unsigned char>(name[i]);
    bool const plain = byte >= ' ' && byte <= '~' && byte != '\\' && !(is_path && i == 0 && byte == '@');
    if (plain) {
      out += name[i];
    } else {
      out += "\\x";
      out += "0123456789abcdef"[byte / 16];
      out += "0123456789abcdef"[byte % 16];
    }
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
