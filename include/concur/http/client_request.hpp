// SPDX-License-Identifier: BSL-1.0
//
// What an http_client is to ask.
//
//     client_request("POST", "https://example.org/search").query("lang", "en").json(R"({"word": "loop"})").timeout(5s)
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/client_settings.hpp>
#include <concur/http/headers.hpp>
#include <concur/http/percent_encoding.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// A value, made by chained calls. Nothing that it is given can end a line too early: throws std::invalid_argument for
/// methods that are no tokens too. The URL is looked at when it is sent.
class client_request : public client_settings<client_request> {
 public:
  client_request(std::string method, std::string url) : method_(std::move(method)), url_(std::move(url)) {
    if (!is_header_name(method_)) throw std::invalid_argument("an HTTP method is a word: " + method_);
    if (method_ == "CONNECT") throw std::invalid_argument("CONNECT is no request: name a proxy in client_options");
  }

  std::string const& method() const noexcept { return method_; }
  std::string const& url() const noexcept { return url_; }

  /// One more parameter in the URL, encoded.
  client_request& query(std::string_view name, std::string_view value) {
    auto const part = percent_encoded(name) + '=' + percent_encoded(value);
    auto const end = std::min(url_.find('#'), url_.size());
    char const separator = std::string_view(url_).substr(0, end).find('?') == url_.npos ? '?' : '&';
    url_.insert(end, separator + part);
    return *this;
  }

  client_request& basic_auth(std::string_view user, std::string_view password) {
    return header("Authorization", "Basic " + base64(std::string(user) + ':' + std::string(password)));
  }
  client_request& bearer_token(std::string_view token) {
    return header("Authorization", "Bearer " + std::string(token));
  }

  // ---- the body

  client_request& body(std::string bytes, std::string_view content_type = {}) {
    if (!content_type.empty()) header("Content-Type", content_type);
    body_ = std::move(bytes);
    return *this;
  }
  client_request& json(std::string text) { return body(std::move(text), "application/json"); }
  /// One more field of a form.
  client_request& form(std::string_view name, std::string_view value) {
    auto text = body_ ? *body_ + '&' : std::string();
    text += form_encoded(name) + '=' + form_encoded(value);
    return body(std::move(text), "application/x-www-form-urlencoded");
  }
  std::optional<std::string> const& body() const noexcept { return body_; }

 private:
  std::string method_;
  std::string url_;
  std::optional<std::string> body_;
};

}  // namespace concur::inline CONCUR_ABI
