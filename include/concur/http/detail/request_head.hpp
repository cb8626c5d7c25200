// SPDX-License-Identifier: BSL-1.0
//
// The parts of the head of a request, as they lie in its bytes.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/headers.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// Whether a list has that word in it, upper and lower case alike.
constexpr bool is_in_list(std::string_view list, std::string_view word) noexcept {
  while (!list.empty()) {
    auto const end = std::min(list.find(','), list.size());
    if (same_header_name(without_blanks(list.substr(0, end)), word)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// The same for all fields of a name.
inline bool has_list_word(http_headers const& headers, std::string_view name, std::string_view word) {
  return std::any_of(headers.begin(), headers.end(), [name, word](http_headers::field const& each) {
    return same_header_name(each.name, name) && is_in_list(each.value, word);
  });
}

/// Where parts of a head lie, in one number: two readers that have found the same have the same number.
class layout_sum {
 public:
  constexpr explicit layout_sum(char const* begin) noexcept : begin_(begin) {}
  constexpr void add(std::string_view part) noexcept {
    auto const at = part.empty() ? 0 : static_cast<std::uint64_t>(part.data() - begin_);
    sum_ = (sum_ ^ (at << 32 ^ part.size())) * 0x9e3779b97f4a7c15;
  }
  constexpr bool operator==(layout_sum const& other) const noexcept { return sum_ == other.sum_; }

 private:
  char const* begin_;
  std::uint64_t sum_ = 0;
};

/// Points into the bytes that it was read from.
class request_head {
 public:
  request_head() {}

  /// Checks them, and reads them into an empty head.
  http_fault read(std::string_view bytes) noexcept {
    layout = layout_sum(bytes.data());
    auto const fault = read_head(bytes, *this);
    if (!fault) fields = bytes.substr(first_line_size(), bytes.size() - first_line_size() - 2);
    return fault;
  }

  std::string_view method;
  std::string_view target;
  int minor_version = 1;
  std::string_view fields;  // their lines, all of them as they must be
  // What the server itself has to know of them.
  std::string_view host;
  std::optional<std::string_view> expect;
  std::optional<std::uint64_t> length;
  bool is_chunked = false;
  bool says_close = false;
  bool says_keep_alive = false;
  layout_sum layout{nullptr};

  /// Calls `visit(name, value)` for each field, until that returns true; returns whether it did.
  template <class Visit>
  bool any_field(Visit visit) const {
    for (auto rest = fields; !rest.empty();) {
      auto const colon = rest.find(':');
      auto const end = rest.find('\r', colon);
      if (visit(rest.substr(0, colon), without_blanks(rest.substr(colon + 1, end - colon - 1)))) return true;
      rest.remove_prefix(end + 2);
    }
    return false;
  }
  std::optional<std::string_view> find(std::string_view name) const noexcept {
    std::optional<std::string_view> found;
    any_field([&](std::string_view each, std::string_view value) {
      if (same_header_name(each, name)) found = value;
      return found.has_value();
    });
    return found;
  }

  // ---- for read_head

  void request_line(std::string_view its_method, std::string_view its_target, int version) noexcept {
    method = its_method;
    target = its_target;
    minor_version = version;
    layout.add(method);
    layout.add(target);
  }
  void field(std::string_view name, std::string_view value) noexcept {
    layout.add(name);
    layout.add(value);
    switch (name.size()) {
      case 4:
        if (same_header_name(name, "Host")) host = value;
        break;
      case 6:
        if (!expect && same_header_name(name, "Expect")) expect = value;
        break;
      case 10:
        if (!same_header_name(name, "Connection")) break;
        says_close = says_close || is_in_list(value, "close");
        says_keep_alive = says_keep_alive || is_in_list(value, "keep-alive");
        break;
      case 14:
        if (same_header_name(name, "Content-Length")) length = http_content_length(value);
        break;
      case 17:
        if (same_header_name(name, "Transfer-Encoding")) is_chunked = true;
        break;
      default: break;
    }
  }

 private:
  // Three words with a space between two of them, "HTTP/1.1", CR and LF.
  std::size_t first_line_size() const noexcept { return method.size() + 1 + target.size() + 1 + 8 + 2; }
};

}  // namespace concur::inline CONCUR_ABI::detail
