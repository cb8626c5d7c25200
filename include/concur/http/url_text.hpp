// SPDX-License-Identifier: BSL-1.0
//
// Texts as they stand in URLs. Python's urllib.parse.unquote.
//
//     concur::url_decoded("a%20b");          // "a b"
//     concur::form_decoded("a+b%21");        // "a b!", as in queries and forms
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/head_rules.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// With each %XX as the byte that it stands for; a percent sign that nothing of the kind follows stays. Throws
/// std::bad_alloc.
[[nodiscard]] inline std::string url_decoded(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const is_code = text[i] == '%' && text.size() - i > 2 && detail::hex_digit(text[i + 1]) >= 0 &&
                         detail::hex_digit(text[i + 2]) >= 0;
    if (is_code) {
      result += static_cast<char>(detail::hex_digit(text[i + 1]) * 16 + detail::hex_digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

/// The same, with plus signs as blanks.
[[nodiscard]] inline std::string form_decoded(std::string_view text) {
  std::string blanks(text);
  for (char& c : blanks) {
    if (c == '+') c = ' ';
  }
  return url_decoded(blanks);
}

/// The first value of that name in `a=1&b=2`, decoded; also of a body of the type application/x-www-form-urlencoded.
[[nodiscard]] inline std::optional<std::string> form_value(std::string_view form, std::string_view name) {
  while (!form.empty()) {
    auto const pair = form.substr(0, form.find('&'));
    form.remove_prefix(pair.size() < form.size() ? pair.size() + 1 : form.size());
    auto const equals = pair.find('=');
    if (form_decoded(pair.substr(0, equals)) != name) continue;
    return equals == pair.npos ? std::string() : form_decoded(pair.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace concur::inline CONCUR_ABI
