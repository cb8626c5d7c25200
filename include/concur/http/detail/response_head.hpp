// SPDX-License-Identifier: BSL-1.0
//
// The head of an answer as bytes.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/detail/http_date.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/headers.hpp>
#include <concur/http/response.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

constexpr std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

constexpr bool has_no_body(int status) noexcept { return status < 200 || status == 204 || status == 304; }

/// How the end of a body is told.
enum class body_framing : unsigned char { none, sized, chunked, until_close };

inline bool is_sendable(http_response const& response) {
  if (response.status() < 200 || response.status() > 999) return false;
  if (!response.only_type().empty()) return true;
  for (auto const& field : response.headers()) {
    if (!is_token(field.name) || value_chars.end_of_run(field.value, 0) != field.value.size()) return false;
  }
  return true;
}

/// Text that is short as a rule, and then needs no memory of its own. Throws std::bad_alloc.
class answer_text {
 public:
  answer_text() noexcept {}  // the room is not written to
  answer_text(answer_text const&) = delete;
  answer_text& operator=(answer_text const&) = delete;

  answer_text& operator+=(std::string_view more) {
    if (size_ + more.size() > sizeof room_ || !long_.empty()) [[unlikely]]
      return append_to_long(more);
    std::memcpy(room_ + size_, more.data(), more.size());
    size_ += more.size();
    return *this;
  }
  answer_text& add_number(std::uint64_t number, int base = 10) {
    char digits[24];
    auto const end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
    return *this += std::string_view(digits, static_cast<std::size_t>(end - digits));
  }

  operator std::string_view() const noexcept { return long_.empty() ? std::string_view(room_, size_) : long_; }

 private:
  [[gnu::noinline]] answer_text& append_to_long(std::string_view more) {
    if (long_.empty()) {
      long_.reserve(2 * (size_ + more.size()));
      long_.assign(room_, size_);
    }
    long_ += more;
    return *this;
  }

  std::size_t size_ = 0;
  std::string long_;  // if not empty, all of it
  char room_[200];
};

/// Requires: it is sendable.
inline void append_head(answer_text& out, http_response const& response, body_framing framing, std::uint64_t length,
                        std::string_view connection, answer_date& date) {
  if (response.status() == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    out.add_number(static_cast<std::uint64_t>(response.status()));
    ((out += " ") += reason_phrase(response.status())) += "\r\n";
  }
  bool has_date = false;
  if (auto const type = response.only_type(); !type.empty()) {
    ((out += "Content-Type: ") += type) += "\r\n";
  } else {
    for (auto const& [name, value] : response.headers()) {
      bool const is_ours = same_header_name(name, "Content-Length") || same_header_name(name, "Transfer-Encoding") ||
                           same_header_name(name, "Connection");
      if (!is_ours) (((out += name) += ": ") += value) += "\r\n";
      has_date = has_date || same_header_name(name, "Date");
    }
  }
  if (!has_date) out += date.line();
  if (framing == body_framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing == body_framing::sized) {
    out += "Content-Length: ";
    out.add_number(length) += "\r\n";
  }
  if (!connection.empty()) ((out += "Connection: ") += connection) += "\r\n";
  out += "\r\n";
}

}  // namespace concur::inline CONCUR_ABI::detail
