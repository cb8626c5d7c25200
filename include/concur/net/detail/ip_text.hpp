// SPDX-License-Identifier: BSL-1.0
//
// The text of IP addresses, without their scope: read strictly (RFC 4291, section 2.2), written in the one canonical
// form (RFC 5952). Nothing here asks the system anything.
#pragma once

#include <concur/core/abi.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// What is wrong with a text, as the end of a sentence; null: nothing.
using text_fault = char const*;

/// Throws std::invalid_argument: `not an endpoint: "1.2.3.4": the port is missing`. Long texts are cut, and what is not
/// printable is shown as a question mark.
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_bad_text(char const* what, std::string_view text,
                                                                  text_fault fault) {
  constexpr std::size_t most = 100;
  std::string sentence = "not ";
  sentence += what;
  sentence += ": \"";
  for (char const each : text.substr(0, most)) sentence += each < ' ' || each > '~' ? '?' : each;
  sentence += text.size() > most ? "…\": " : "\": ";
  sentence += fault;
  throw std::invalid_argument(sentence);
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Reads decimal digits, without a sign and without a leading zero, up to `most`. Gives a negative number for others.
constexpr std::int64_t read_decimal(std::string_view text, std::int64_t most) noexcept {
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return -1;
  std::int64_t value = 0;
  for (char const each : text) {
    if (!is_digit(each)) return -1;
    value = value * 10 + (each - '0');
    if (value > most) return -1;
  }
  return value;
}

/// "127.0.0.1" to four bytes.
constexpr text_fault read_v4(std::string_view text, std::uint8_t* bytes) noexcept {
  for (int part = 0; part < 4; ++part) {
    auto const dot = part < 3 ? text.find('.') : text.size();
    if (dot == text.npos) return "an IPv4 address has four numbers";
    auto const number = text.substr(0, dot);
    auto const value = read_decimal(number, 255);
    if (value < 0) {
      if (number.find_first_not_of("0123456789.") != number.npos) return "a character that no IPv4 address has";
      if (number.empty()) return "a number is missing";
      if (number.find('.') != number.npos) return "an IPv4 address has four numbers";
      return number[0] == '0' ? "a number begins with 0" : "a number is above 255";
    }
    bytes[part] = std::uint8_t(value);
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return nullptr;
}

/// Reads the groups of an IPv6 address one after the other.
class v6_reader {
 public:
  constexpr explicit v6_reader(std::string_view text) noexcept : text_(text) {}

  constexpr text_fault read(std::uint8_t* bytes) noexcept {
    if (text_.starts_with("::")) {
      gap_ = 0;
      at_ = 2;
    } else if (text_.starts_with(':')) {
      return "it begins with a single colon";
    }
    while (at_ < text_.size()) {
      if (auto const fault = read_group()) return fault;
    }
    if (gap_ == none) {
      if (count_ != 16) return "there are fewer than eight groups, and no ::";
      gap_ = count_;
    } else if (count_ == 16) {
      return "there are eight groups, and :: beside them";
    }
    for (std::size_t i = 0; i < gap_; ++i) bytes[i] = bytes_[i];
    for (std::size_t i = gap_; i < 16 - (count_ - gap_); ++i) bytes[i] = 0;
    for (std::size_t i = gap_; i < count_; ++i) bytes[16 - count_ + i] = bytes_[i];
    return nullptr;
  }

 private:
  static constexpr std::size_t none = 99;

  constexpr text_fault read_group() noexcept {
    auto const begin = at_;
    unsigned value = 0;
    for (; at_ < text_.size() && hex_value(text_[at_]) >= 0; ++at_) {
      value = value << 4U | unsigned(hex_value(text_[at_]));
      if (at_ - begin == 4) return "a group has more than four digits";
    }
    bool const ended = at_ == text_.size();
    if (!ended && text_[at_] == '.') return read_tail(text_.substr(begin));
    if (at_ == begin)
      return text_[at_] == ':' ? "there are three colons in a row" : "a character that no IPv6 address has";
    if (count_ == 16) return "there are more than eight groups";
    bytes_[count_++] = std::uint8_t(value >> 8U);
    bytes_[count_++] = std::uint8_t(value & 0xffU);
    if (ended) return nullptr;
    if (text_[at_] != ':') return "a character that no IPv6 address has";
    ++at_;
    if (at_ == text_.size()) return "it ends with a single colon";
    if (text_[at_] != ':') return nullptr;
    if (gap_ != none) return "there is more than one ::";
    gap_ = count_;
    ++at_;
    return nullptr;
  }

  // The last four bytes may be written as an IPv4 address.
  constexpr text_fault read_tail(std::string_view tail) noexcept {
    if (count_ > 12) return "there are more than eight groups";
    auto const fault = read_v4(tail, bytes_.data() + count_);
    count_ += 4;
    at_ = text_.size();
    return fault;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
  std::size_t count_ = 0;  // of bytes read
  std::size_t gap_ = none;  // before which of them :: stands
};

/// Writes a number; returns the end.
constexpr char* write_number(char* out, std::uint32_t value, std::uint32_t base) noexcept {
  std::array<char, 10> digits{};
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count != 0) *out++ = digits[--count];
  return out;
}

/// At most 15 characters; returns the end.
constexpr char* write_v4(char* out, std::uint8_t const* bytes) noexcept {
  for (int i = 0; i < 4; ++i) {
    if (i != 0) *out++ = '.';
    out = write_number(out, bytes[i], 10);
  }
  return out;
}

/// At most 39 characters; returns the end. The first of the longest runs of at least two zero groups becomes `::`. The
/// last four bytes are written as an IPv4 address if `ends_in_v4`.
constexpr char* write_v6(char* out, std::uint8_t const* bytes, bool ends_in_v4) noexcept {
  int const groups = ends_in_v4 ? 6 : 8;
  auto const group = [bytes](int i) { return std::uint32_t(bytes[2 * i] << 8 | bytes[2 * i + 1]); };
  int gap = -1;
  int length = 1;
  for (int i = 0; i < groups;) {
    int end = i;
    while (end < groups && group(end) == 0) ++end;
    if (end - i > length) {
      gap = i;
      length = end - i;
    }
    i = end + 1;
  }
  for (int i = 0; i < groups;) {
    if (i == gap) {
      *out++ = ':';
      *out++ = ':';
      i += length;
      continue;
    }
    if (i != 0 && i != gap + length) *out++ = ':';
    out = write_number(out, group(i), 16);
    ++i;
  }
  if (!ends_in_v4) return out;
  if (gap + length != groups) *out++ = ':';
  return write_v4(out, bytes + 12);
}

}  // namespace concur::inline CONCUR_ABI::detail
