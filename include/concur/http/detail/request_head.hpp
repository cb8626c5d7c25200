// SPDX-License-Identifier: BSL-1.0
//
// The parts of the head of a request.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/headers.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

class request_head {
 public:
  request_head() {}

  std::string method;
  std::string target;
  int minor_version = 1;
  http_headers headers;
};

/// Whether a field is a list with that word in it, upper and lower case alike.
inline bool has_list_word(http_headers const& headers, std::string_view name, std::string_view word) {
  for (auto const& field : headers) {
    if (!same_header_name(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      auto const end = std::min(rest.find(','), rest.size());
      auto item = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
      while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
      if (same_header_name(item, word)) return true;
    }
  }
  return false;
}

}  // namespace concur::inline CONCUR_ABI::detail
