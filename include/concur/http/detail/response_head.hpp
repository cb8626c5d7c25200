// SPDX-License-Identifier: BSL-1.0
//
// The head of an answer as bytes.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/detail/http_date.hpp>
#include <concur/http/detail/request_head.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/headers.hpp>
#include <concur/http/response.hpp>

#include <charconv>
#include <cstdint>
#include <ctime>
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

inline bool is_sendable(http_response const& response) noexcept {
  if (response.status() < 200 || response.status() > 999) return false;
  for (auto const& field : response.headers()) {
    if (!is_token(field.name) || !is_header_value(field.value)) return false;
  }
  return true;
}

inline void append_number(std::string& out, std::uint64_t number, int base = 10) {
  char digits[24];
  auto const end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  out.append(digits, end);
}

/// Requires: it is sendable.
inline void append_head(std::string& out, http_response const& response, body_framing framing, std::uint64_t length,
                        std::string_view connection, answer_date& date) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status()));
  out += ' ';
  out += reason_phrase(response.status());
  out += "\r\n";
  for (auto const& [name, value] : response.headers()) {
    bool const is_ours = same_header_name(name, "Content-Length") || same_header_name(name, "Transfer-Encoding") ||
                         same_header_name(name, "Connection");
    if (!is_ours) out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!response.headers().contains("Date")) out.append("Date: ").append(date.now()).append("\r\n");
  if (framing == body_framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing == body_framing::sized) {
    out += "Content-Length: ";
    append_number(out, length);
    out += "\r\n";
  }
  if (!connection.empty()) out.append("Connection: ").append(connection).append("\r\n");
  out += "\r\n";
}

}  // namespace concur::inline CONCUR_ABI::detail
