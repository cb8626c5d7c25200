// SPDX-License-Identifier: BSL-1.0
//
// What the head of a request must be before anybody acts on it. Stricter than parsers usually are: wherever two readers
// of the same bytes could disagree on where a request ends, which is what request smuggling lives on, it is refused.
//
//     if (auto const fault = concur::http_head_fault("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")) {
//       fault.status();    // 400
//       fault.reason();    // "more than one Host"
//     }
//
// Pure functions over bytes. RFC 9112, with RFC 9110 for names and values and RFC 3986 for targets.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/headers.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace concur::inline CONCUR_ABI {

/// Why something is refused, and the status that says so; or nothing.
class http_fault {
 public:
  constexpr http_fault() noexcept = default;
  /// The reason must stay: a literal.
  constexpr http_fault(int status, char const* reason) noexcept : status_(status), reason_(reason) {}

  constexpr explicit operator bool() const noexcept { return status_ != 0; }
  constexpr int status() const noexcept { return status_; }
  constexpr char const* reason() const noexcept { return reason_; }

 private:
  int status_ = 0;
  char const* reason_ = "";
};

/// What is wrong with a whole head: request line, header fields and the empty line at its end.
[[nodiscard]] constexpr http_fault http_head_fault(std::string_view head) noexcept;

/// What is wrong with one field, of a head or of a trailer: its line without the end of the line.
[[nodiscard]] constexpr http_fault http_field_fault(std::string_view line) noexcept;

/// What is wrong with the target of a request with that method. In the query it may have those few characters that no
/// URI has, but that browsers send: [ ] { } | \ ^ and `.
[[nodiscard]] constexpr http_fault http_target_fault(std::string_view method, std::string_view target) noexcept;

/// What is wrong with the value of Host.
[[nodiscard]] constexpr http_fault http_host_fault(std::string_view host) noexcept;

/// The size in the line that begins a chunk, without the end of the line; nothing if the line is not as it must be.
[[nodiscard]] constexpr std::optional<std::uint64_t> http_chunk_size(std::string_view line) noexcept;

/// The number that Content-Length gives: digits only, and less than 2^63.
[[nodiscard]] constexpr std::optional<std::uint64_t> http_content_length(std::string_view value) noexcept;

namespace detail {

constexpr bool is_decimal(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_latin(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr int hex_digit(char c) noexcept {
  if (is_decimal(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
constexpr bool is_one_of(char c, std::string_view set) noexcept { return set.find(c) != set.npos; }

/// Letters and digits, and these as well. A table, since each byte of a head is asked for.
class char_set {
 public:
  constexpr explicit char_set(std::string_view marks) noexcept {
    for (std::size_t i = 0; i < has_.size(); ++i) {
      char const c = static_cast<char>(static_cast<unsigned char>(i));
      has_[i] = is_latin(c) || is_decimal(c) || marks.find(c) != marks.npos;
    }
  }
  constexpr bool contains(char c) const noexcept { return has_[static_cast<unsigned char>(c)]; }

  /// Where the characters from `at` on that are in the set end.
  constexpr std::size_t end_of_run(std::string_view text, std::size_t at) const noexcept {
    while (at < text.size() && contains(text[at])) ++at;
    return at;
  }

  /// Those that `is_header_value` allows.
  static constexpr char_set of_values() noexcept {
    char_set made("");
    for (std::size_t i = 0; i < made.has_.size(); ++i) made.has_[i] = i == '\t' || (i >= ' ' && i != 0x7f);
    return made;
  }

 private:
  std::array<bool, 256> has_{};
};
inline constexpr char_set value_chars = char_set::of_values();
inline constexpr char_set token_chars("!#$%&'*+-.^_`|~");
inline constexpr char_set host_chars("-._~!$&'()*+,;=");
inline constexpr char_set path_chars("/-._~!$&'()*+,;=:@[]|");
inline constexpr char_set query_chars("/-._~!$&'()*+,;=:@[]|?{}\\^`");

constexpr bool is_token(std::string_view text) noexcept {
  return !text.empty() && token_chars.end_of_run(text, 0) == text.size();
}

/// Of these, and of percent signs with two digits behind them.
constexpr bool is_uri_text(std::string_view text, char_set const& chars) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (chars.contains(text[i])) continue;
    bool const is_code =
        text[i] == '%' && text.size() - i > 2 && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    if (!is_code) return false;
    i += 2;
  }
  return true;
}

constexpr std::string_view without_blanks(std::string_view value) noexcept {
  while (!value.empty() && is_one_of(value.front(), " \t")) value.remove_prefix(1);
  while (!value.empty() && is_one_of(value.back(), " \t")) value.remove_suffix(1);
  return value;
}

constexpr http_fault version_fault(std::string_view version) noexcept {
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return {};
  bool const is_version = version.size() == 8 && version.starts_with("HTTP/") && is_decimal(version[5]) &&
                          version[6] == '.' && is_decimal(version[7]);
  if (!is_version) return {400, "the request line does not end with a version"};
  return {505, "HTTP/1.1 and HTTP/1.0 are spoken here"};
}

/// The fields of a head that say where the request ends, and whom it is for.
class framing_fields {
 public:
  constexpr http_fault add(std::string_view name, std::string_view value) noexcept {
    if (same_header_name(name, "Host")) {
      if (++hosts_ > 1) return {400, "more than one Host"};
      return http_host_fault(value);
    }
    if (same_header_name(name, "Content-Length")) {
      if (++lengths_ > 1) return {400, "more than one Content-Length"};
      if (!http_content_length(value)) return {400, "Content-Length is not a number"};
    }
    if (same_header_name(name, "Transfer-Encoding")) {
      if (++encodings_ > 1) return {400, "more than one Transfer-Encoding"};
      if (!same_header_name(value, "chunked")) return {400, "a Transfer-Encoding other than chunked"};
    }
    return {};
  }

  constexpr http_fault fault(std::string_view version) const noexcept {
    bool const is_old = version == "HTTP/1.0";
    if (hosts_ == 0 && !is_old) return {400, "no Host"};
    if (encodings_ != 0 && is_old) return {400, "Transfer-Encoding in HTTP/1.0"};
    if (encodings_ != 0 && lengths_ != 0) return {400, "Transfer-Encoding together with Content-Length"};
    return {};
  }

 private:
  int hosts_ = 0;
  int lengths_ = 0;
  int encodings_ = 0;
};

}  // namespace detail

constexpr std::optional<std::uint64_t> http_content_length(std::string_view value) noexcept {
  if (value.empty() || value.size() > 18) return std::nullopt;
  std::uint64_t length = 0;
  for (char const c : value) {
    if (!detail::is_decimal(c)) return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return length;
}

constexpr std::optional<std::uint64_t> http_chunk_size(std::string_view line) noexcept {
  auto const digits = std::min(line.find(';'), line.size());
  if (digits == 0 || digits > 15 || !is_header_value(line)) return std::nullopt;
  std::uint64_t size = 0;
  for (char const c : line.substr(0, digits)) {
    int const value = detail::hex_digit(c);
    if (value < 0) return std::nullopt;
    size = size * 16 + static_cast<std::uint64_t>(value);
  }
  return size;
}

constexpr http_fault http_field_fault(std::string_view line) noexcept {
  if (!line.empty() && detail::is_one_of(line.front(), " \t")) return {400, "a folded header"};
  auto const colon = line.find(':');
  if (colon == line.npos) return {400, "a header without a colon"};
  if (!detail::is_token(line.substr(0, colon))) return {400, "the name of a header is not a token"};
  if (!is_header_value(line.substr(colon + 1))) return {400, "a control character in a header"};
  return {};
}

constexpr http_fault http_host_fault(std::string_view host) noexcept {
  constexpr http_fault wrong(400, "Host is not one");
  std::string_view port;
  if (host.starts_with('[')) {
    auto const end = host.find(']');
    if (end == host.npos || end == 1) return wrong;
    auto const address = host.substr(1, end - 1);
    for (char const c : address) {
      if (detail::hex_digit(c) < 0 && !detail::is_one_of(c, ":.")) return wrong;
    }
    port = host.substr(end + 1);
  } else {
    auto const colon = std::min(host.find(':'), host.size());
    if (!detail::is_uri_text(host.substr(0, colon), detail::host_chars)) return wrong;
    port = host.substr(colon);
    if (colon == 0 && !port.empty()) return wrong;
  }
  if (port.empty()) return {};
  bool const is_port = port.front() == ':' && std::all_of(port.begin() + 1, port.end(), detail::is_decimal);
  return is_port ? http_fault() : wrong;
}

constexpr http_fault http_target_fault(std::string_view method, std::string_view target) noexcept {
  constexpr http_fault wrong(400, "the target of the request is not one");
  if (method == "CONNECT") return {501, "CONNECT is for proxies"};
  if (target == "*") return method == "OPTIONS" ? http_fault() : wrong;
  for (std::string_view const scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !same_header_name(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    auto const host = target.substr(0, std::min(target.find_first_of("/?"), target.size()));
    if (host.empty() || http_host_fault(host)) return wrong;
    target.remove_prefix(host.size());
    if (!target.starts_with('/')) return detail::is_uri_text(target, detail::query_chars) ? http_fault() : wrong;
    break;
  }
  auto const query = std::min(target.find('?'), target.size());
  if (!target.starts_with('/') || !detail::is_uri_text(target.substr(0, query), detail::path_chars)) return wrong;
  return detail::is_uri_text(target.substr(query), detail::query_chars) ? http_fault() : wrong;
}

namespace detail {

/// Checks a head as `http_head_fault` says, in one pass, and tells `reader.request_line(method, target, minor version)`
/// and `reader.field(name, value)` what is in it, part by part: where there is a fault, some parts too many.
template <class Reader>
constexpr http_fault read_head(std::string_view head, Reader& reader) noexcept {
  constexpr http_fault bad_line(400, "a line of the head does not end with CR and LF");
  auto const next_line = [&head](std::string_view& line) {
    auto const end = head.find('\n');
    if (end == head.npos || end == 0 || head[end - 1] != '\r') return false;
    line = head.substr(0, end - 1);
    head.remove_prefix(end + 1);
    return line.find('\r') == line.npos;
  };

  std::string_view line;
  if (!next_line(line)) return bad_line;
  auto const first = line.find(' ');
  auto const last = line.rfind(' ');
  if (first == line.npos || first == last) return {400, "the request line is not three words"};
  auto const method = line.substr(0, first);
  auto const version = line.substr(last + 1);
  auto const target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return {400, "the method is not a token"};
  if (auto const fault = version_fault(version)) return fault;
  if (auto const fault = http_target_fault(method, target)) return fault;
  reader.request_line(method, target, version.back() - '0');

  framing_fields framing;
  while (true) {
    // A field as it should be is looked at once; anything else is taken apart to see what it is.
    auto const colon = token_chars.end_of_run(head, 0);
    auto const end = value_chars.end_of_run(head, colon + 1);
    bool const is_field =
        colon != 0 && end < head.size() - 1 && head[colon] == ':' && head[end] == '\r' && head[end + 1] == '\n';
    if (!is_field) {
      if (!next_line(line)) return bad_line;
      if (line.empty()) break;
      auto const fault = http_field_fault(line);
      return fault ? fault : bad_line;
    }
    auto const name = head.substr(0, colon);
    auto const value = without_blanks(head.substr(colon + 1, end - colon - 1));
    if (auto const fault = framing.add(name, value)) return fault;
    reader.field(name, value);
    head.remove_prefix(end + 2);
  }
  if (!head.empty()) return {400, "more than one head"};
  return framing.fault(version);
}

/// Wants to know nothing.
class no_reader {
 public:
  constexpr void request_line(std::string_view, std::string_view, int) const noexcept {}
  constexpr void field(std::string_view, std::string_view) const noexcept {}
};

}  // namespace detail

constexpr http_fault http_head_fault(std::string_view head) noexcept {
  detail::no_reader nobody;
  return detail::read_head(head, nobody);
}

}  // namespace concur::inline CONCUR_ABI
