// SPDX-License-Identifier: BSL-1.0
//
// Finds the end of a head in the bytes that come, and sees early that there will be none.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/head_rules.hpp>

#include <cstddef>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// Looks at each byte once.
class head_scanner {
 public:
  /// Looks at what is in the buffer of a reader. Returns whether it is settled: there is a size, or a fault.
  template <class Reader>
  bool scan(Reader& reader, std::size_t limit) {
    if (!begun_) {
      // RFC 9112, 2.2: an empty line before the request, which some clients send behind the one before, is nothing.
      auto const bytes = reader.buffered();
      if (bytes.empty() || bytes == "\r") return false;
      if (bytes.starts_with("\r\n")) reader.consume(2);
      begun_ = true;
    }
    look_at(reader.buffered(), limit);
    return size_ != 0 || fault_;
  }

  /// Of the head, with the empty line; 0 as long as its end has not come.
  std::size_t size() const noexcept { return size_; }
  http_fault const& fault() const noexcept { return fault_; }

 private:
  void look_at(std::string_view bytes, std::size_t limit) noexcept {
    if (!bytes.empty() && !token_chars.contains(bytes.front())) {
      fault_ = http_fault(400, "the method is not a token");
      return;
    }
    while (seen_ < bytes.size()) {
      auto const end = bytes.find('\n', seen_);
      if (end == bytes.npos) {
        seen_ = bytes.size();
      } else if (end == 0 || bytes[end - 1] != '\r') {
        fault_ = http_fault(400, "a line of the head does not end with CR and LF");
        return;
      } else {
        bool const is_last = end - line_ == 1;
        seen_ = line_ = end + 1;
        if (is_last) break;
      }
    }
    bool const is_whole = line_ == seen_ && seen_ >= 4 && bytes.substr(seen_ - 4, 4) == "\r\n\r\n";
    if (seen_ > limit) {
      fault_ = http_fault(431, "the head of a request is too long");
    } else if (is_whole) {
      size_ = seen_;
    }
  }

  std::size_t seen_ = 0;
  std::size_t line_ = 0;  // where it begins
  std::size_t size_ = 0;
  http_fault fault_;
  bool begun_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
