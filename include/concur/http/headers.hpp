// SPDX-License-Identifier: BSL-1.0
//
// The header fields of an HTTP message, in their order. A name is the same in upper and lower case, and may occur
// several times.
//
//     http_headers headers{{"Accept", "text/html"}, {"X-Tag", "1"}};
//     headers.add("x-tag", "2");
//     headers.find("X-TAG");      // "1"; get_all gives both
#pragma once

#include <algorithm>
#include <concur/core/abi.hpp>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Whether two names of header fields are the same: in ASCII, upper and lower case alike.
[[nodiscard]] constexpr bool same_header_name(std::string_view one, std::string_view other) noexcept {
  constexpr auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (one[i] != other[i] && lower(one[i]) != lower(other[i])) return false;
  }
  return true;
}

/// Whether it may be the name of a header field: a token of RFC 9110, 5.6.2.
[[nodiscard]] constexpr bool is_header_name(std::string_view name) noexcept {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [marks](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || marks.find(c) != marks.npos;
  });
}

/// Whether it may be the value of a header field: nothing that could end the line, or the text, too early. That is
/// stricter than RFC 9110, 5.5, which lets a recipient replace such characters.
[[nodiscard]] constexpr bool is_header_value(std::string_view value) noexcept {
  return std::all_of(value.begin(), value.end(), [](char c) {
    auto const code = static_cast<unsigned char>(c);
    return code == '\t' || (code >= ' ' && code != 0x7f);
  });
}

/// A list of fields, which keeps what it is given: whoever sends it checks names and values by the functions above.
/// Look-ups go through the list; what they return is valid until it changes. An object is for one thread at a time.
/// What adds to it throws std::bad_alloc, and then has not changed it.
class http_headers {
 public:
  class field {
   public:
    field(std::string_view field_name, std::string_view field_value) : name(field_name), value(field_value) {}
    bool operator==(field const& other) const noexcept {
      return same_header_name(name, other.name) && value == other.value;
    }

    std::string name;
    std::string value;
  };
  using value_type = field;
  using const_iterator = std::vector<field>::const_iterator;
  using iterator = const_iterator;

  http_headers() = default;
  http_headers(std::initializer_list<field> fields) : fields_(fields) {}

  /// The first value of that name, or `otherwise`; or none.
  [[nodiscard]] std::string_view get(std::string_view name, std::string_view otherwise = {}) const noexcept {
    auto const found = position(name);
    return found == fields_.end() ? otherwise : std::string_view(found->value);
  }
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept {
    auto const found = position(name);
    return found == fields_.end() ? std::nullopt : std::optional<std::string_view>(found->value);
  }
  [[nodiscard]] bool contains(std::string_view name) const noexcept { return position(name) != fields_.end(); }
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(std::count_if(begin(), end(), is_named(name)));
  }
  /// All values of that name, in their order.
  [[nodiscard]] std::vector<std::string_view> get_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (field const& each : fields_) {
      if (same_header_name(each.name, name)) values.emplace_back(each.value);
    }
    return values;
  }

  /// One more field, at the end.
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  /// The only field of that name from now on; in the place of the first that there was, else at the end.
  void set(std::string_view name, std::string_view value) {
    auto const found = std::find_if(fields_.begin(), fields_.end(), is_named(name));
    if (found == fields_.end()) return add(name, value);
    field changed(name, value);  // before anything else: `name` and `value` may lie in this list
    fields_.erase(std::remove_if(found + 1, fields_.end(), is_named(changed.name)), fields_.end());
    *found = std::move(changed);
  }
  /// Removes all of that name, and returns how many there were.
  std::size_t erase(std::string_view name) {
    std::string const which(name);  // it may lie in this list
    return std::erase_if(fields_, is_named(which));
  }
  void clear() noexcept { fields_.clear(); }
  void reserve(std::size_t fields) { fields_.reserve(fields); }

  [[nodiscard]] const_iterator begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] const_iterator end() const noexcept { return fields_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

  /// The same fields in the same order.
  bool operator==(http_headers const& other) const noexcept = default;

 private:
  class is_named {
   public:
    explicit is_named(std::string_view name) noexcept : name_(name) {}
    bool operator()(field const& each) const noexcept { return same_header_name(each.name, name_); }

   private:
    std::string_view name_;
  };

  const_iterator position(std::string_view name) const noexcept { return std::find_if(begin(), end(), is_named(name)); }

  std::vector<field> fields_;
};

}  // namespace concur::inline CONCUR_ABI
