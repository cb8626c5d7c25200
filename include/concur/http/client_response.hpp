// SPDX-License-Identifier: BSL-1.0
//
// The answer to a request of an http_client.
//
//     auto const answer = client.get(url);
//     if (answer.status() == 404) …
//     answer.ensure_success();
//     auto const type = answer.headers().get("content-type");
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/headers.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// The host has answered, but not with success.
class [[gnu::visibility("default")]] http_status_error : public std::runtime_error {
 public:
  http_status_error(int status, std::string const& sentence) : std::runtime_error(sentence), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// A value. The last answer, if there were redirects.
class client_response {
 public:
  /// What was said before the body.
  class head {
   public:
    head() noexcept {}

    int status = 0;
    std::string reason;
    std::string method;
    std::string url;
    http_headers headers;
    unsigned redirects = 0;
  };

  explicit client_response(head start, std::string body = {}) noexcept
      : head_(std::move(start)), body_(std::move(body)) {}

  [[nodiscard]] int status() const noexcept { return head_.status; }
  /// The words behind the number, which mean nothing; HTTP/2 has none.
  [[nodiscard]] std::string const& reason() const noexcept { return head_.reason; }
  /// Whether the status is 200 to 299.
  [[nodiscard]] bool ok() const noexcept { return status() >= 200 && status() < 300; }
  /// Throws http_status_error unless it is: "GET http://example.org/x was answered with 404 Not Found".
  client_response const& ensure_success() const& {
    if (!ok()) throw_status();
    return *this;
  }
  client_response&& ensure_success() && {
    if (!ok()) throw_status();
    return std::move(*this);
  }

  [[nodiscard]] http_headers const& headers() const noexcept { return head_.headers; }
  /// Decompressed, as all of the library's answers. Empty if it went elsewhere, to a file or to a function.
  [[nodiscard]] std::string const& body() const& noexcept { return body_; }
  [[nodiscard]] std::string body() && noexcept { return std::move(body_); }

  /// Where it came from in the end, and after how many redirects.
  [[nodiscard]] std::string const& url() const noexcept { return head_.url; }
  [[nodiscard]] unsigned redirects() const noexcept { return head_.redirects; }

 private:
  [[noreturn]] void throw_status() const {
    auto text = head_.method + ' ' + url() + " was answered with " + std::to_string(status());
    if (!reason().empty()) text += ' ' + reason();
    throw http_status_error(status(), text);
  }

  head head_;
  std::string body_;
};

}  // namespace concur::inline CONCUR_ABI
