// SPDX-License-Identifier: BSL-1.0
//
// The answer that a handler gives.
//
//     co_return concur::http_response::text("hello");
//     co_return concur::http_response::json(R"({"id":7})", 201).header("Location", "/items/7");
//
//     co_return concur::http_response::stream("text/csv", [rows](concur::http_body_writer& out) -> concur::task<> {
//       for (auto& row : *rows) co_await out.async_write(row);
//     });
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/move_only_function.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/detail/exchange.hpp>
#include <concur/http/headers.hpp>
#include <concur/io/buffer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Writes the body of an answer piece by piece, waiting while the client does not read.
class http_body_writer {
 public:
  /// Made by the server.
  explicit http_body_writer(detail::exchange& to) noexcept : to_(to) {}
  http_body_writer(http_body_writer const&) = delete;
  http_body_writer& operator=(http_body_writer const&) = delete;

  /// Sends it at once. Throws std::system_error when the client has gone, or has not read for too long; and misuse when
  /// that is more than the length that was promised.
  [[nodiscard]] task<> async_write(const_buffer from) { return to_.write_body(from); }

 private:
  detail::exchange& to_;
};

/// A value. The server adds Date, Content-Length, Transfer-Encoding and Connection; of these a handler may say
/// `Connection: close`, and the others are not its own to set. Names and values that are none (headers.hpp), CR and LF
/// in them above all, make the answer a 500.
class http_response {
 public:
  /// Writes a body. Called once, when the head has been sent; the request can still be read meanwhile. What leaves it
  /// goes to the hook, and breaks the connection off, so that nobody takes a part for the whole.
  using producer = move_only_function<task<>(http_body_writer&)>;

  explicit http_response(int status = 200) noexcept : status_(status) {}

  static http_response text(std::string body, int status = 200) {
    return of_literal_type("text/plain; charset=utf-8", std::move(body), status);
  }
  static http_response html(std::string body, int status = 200) {
    return of_literal_type("text/html; charset=utf-8", std::move(body), status);
  }
  static http_response json(std::string body, int status = 200) {
    return of_literal_type("application/json", std::move(body), status);
  }
  static http_response of_type(std::string_view type, std::string body, int status = 200) {
    http_response made(status);
    made.headers_.add("Content-Type", type);
    made.body_ = std::move(body);
    return made;
  }
  static http_response redirect(std::string_view location, int status = 302) {
    http_response made(status);
    made.headers_.add("Location", location);
    return made;
  }
  /// With its length, if that is known: then it has to be as long as that.
  static http_response stream(std::string_view type, producer body, std::optional<std::uint64_t> length = {}) {
    http_response made;
    made.headers_.add("Content-Type", type);
    made.producer_ = std::move(body);
    made.length_ = length;
    return made;
  }

  http_response& header(std::string_view name, std::string_view value) & {
    headers().set(name, value);
    return *this;
  }
  http_response&& header(std::string_view name, std::string_view value) && {
    headers().set(name, value);
    return std::move(*this);
  }
  http_response& status(int code) & noexcept {
    status_ = code;
    return *this;
  }
  http_response&& status(int code) && noexcept {
    status_ = code;
    return std::move(*this);
  }

  [[nodiscard]] int status() const noexcept { return status_; }
  /// Throw std::bad_alloc.
  [[nodiscard]] http_headers& headers() {
    list_type();
    return headers_;
  }
  [[nodiscard]] http_headers const& headers() const {
    list_type();
    return headers_;
  }
  [[nodiscard]] std::string& body() noexcept { return body_; }
  [[nodiscard]] std::string const& body() const noexcept { return body_; }

  /// For the server: its Content-Type, if that is all there is of header fields; else empty.
  [[nodiscard]] std::string_view only_type() const noexcept { return type_; }
  /// Whether the body is written piece by piece, by what, and how long it will be.
  [[nodiscard]] bool is_stream() const noexcept { return static_cast<bool>(producer_); }
  [[nodiscard]] task<> produce(http_body_writer& to) { return producer_(to); }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept {
    return is_stream() ? length_ : std::optional<std::uint64_t>(body_.size());
  }

 private:
  static http_response of_literal_type(std::string_view type, std::string body, int status) noexcept {
    http_response made(status);
    made.type_ = type;
    made.body_ = std::move(body);
    return made;
  }
  void list_type() const {
    if (type_.empty()) return;
    headers_.add("Content-Type", type_);
    type_ = {};
  }

  int status_;
  // Most answers have no other field, and nobody asks for that one: it is a literal until then, and the list empty.
  std::string_view mutable type_;
  http_headers mutable headers_;
  std::string body_;
  producer producer_;
  std::optional<std::uint64_t> length_;
};

}  // namespace concur::inline CONCUR_ABI
