// SPDX-License-Identifier: BSL-1.0
//
// Text in URLs and in the fields of HTTP: encodings that any byte may go through.
//
//     percent_encoded("a b/ü");      // "a%20b%2F%C3%BC"
#pragma once

#include <concur/core/abi.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// As one part of a URL: everything but letters, digits and `-._~` is encoded (RFC 3986).
[[nodiscard]] inline std::string percent_encoded(std::string_view text) {
  constexpr char const* digits = "0123456789ABCDEF";
  std::string made;
  made.reserve(text.size());
  for (char const c : text) {
    bool const plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      made += c;
    } else {
      auto const code = static_cast<unsigned char>(c);
      made += '%';
      made += digits[code >> 4];
      made += digits[code & 15];
    }
  }
  return made;
}

/// As a name or value in the body of a form: a space becomes a plus.
[[nodiscard]] inline std::string form_encoded(std::string_view text) {
  auto made = percent_encoded(text);
  for (std::size_t at = 0; (at = made.find("%20", at)) != made.npos; ++at) made.replace(at, 3, 1, '+');
  return made;
}

/// RFC 4648, with padding.
[[nodiscard]] inline std::string base64(std::string_view bytes) {
  constexpr char const* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto const at = [bytes](std::size_t i) {
    return i < bytes.size() ? unsigned{static_cast<unsigned char>(bytes[i])} : 0;
  };
  std::string made;
  made.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned const three = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (std::size_t digit = 0; digit < 4; ++digit) {
      made += i + digit > bytes.size() ? '=' : digits[three >> (18 - 6 * digit) & 63];
    }
  }
  return made;
}

}  // namespace concur::inline CONCUR_ABI
