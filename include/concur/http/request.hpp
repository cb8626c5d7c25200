// SPDX-License-Identifier: BSL-1.0
//
// A request that a server has received.
//
//     concur::task<concur::http_response> keep(concur::http_request& request) {
//       auto const id = request.param("id");                    // of a route /items/{id}
//       auto const tag = request.query("tag");                  // of /items/7?tag=x
//       auto const text = co_await request.async_body();        // or piece by piece, by async_read_some
//       co_return concur::http_response::text("kept " + id);
//     }
#pragma once

#include <concur/core/abi.hpp>
#include <concur/coro/task.hpp>
#include <concur/http/detail/exchange.hpp>
#include <concur/http/detail/request_head.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/headers.hpp>
#include <concur/http/url_text.hpp>
#include <concur/io/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI {

/// Belongs to the connection, and lives until its answer has been written. Of the connection's task.
class http_request {
 public:
  /// Made by the server.
  http_request(detail::request_head const& head, detail::exchange& from) noexcept : head_(head), from_(from) {
    split();
  }
  http_request(http_request const&) = delete;
  http_request& operator=(http_request const&) = delete;

  /// "GET", as it was sent.
  [[nodiscard]] std::string_view method() const noexcept { return head_.method; }
  /// All of what was asked for: path and query, perhaps with scheme and host before it.
  [[nodiscard]] std::string_view target() const noexcept { return head_.target; }
  /// The path as it was sent, percent signs included: begins with '/', or is "*".
  [[nodiscard]] std::string_view path() const noexcept { return path_; }
  /// What stands behind the question mark.
  [[nodiscard]] std::string_view query_string() const noexcept { return query_; }
  /// The first value of that name in the query, decoded.
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const { return form_value(query_, name); }
  /// The part of the path that stands for that name in the route, decoded; empty if the route has no such name.
  [[nodiscard]] std::string param(std::string_view name) const {
    for (auto const& each : params_) {
      if (each.first == name) return each.second;
    }
    return {};
  }

  /// All fields, as a list that is made at the first call, which throws std::bad_alloc.
  [[nodiscard]] http_headers const& headers() const {
    if (!headers_) headers_ = listed();
    return *headers_;
  }
  /// The first value of that name; empty if there is none. What it points at lives as long as the request.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
    return head_.find(name).value_or(std::string_view());
  }
  /// Host and port that were asked for.
  [[nodiscard]] std::string_view host() const noexcept { return host_; }
  /// 0 in HTTP/1.0, 1 in HTTP/1.1.
  [[nodiscard]] int minor_version() const noexcept { return head_.minor_version; }
  /// How long the body is, where that was said; 0 if there is none.
  [[nodiscard]] std::optional<std::uint64_t> content_length() const noexcept {
    if (head_.is_chunked) return std::nullopt;
    return head_.length.value_or(0);
  }

  /// Reads what there is of the body, waiting for it; 0 at its end. What is not read stays with the client, which can
  /// send no more than fits into the buffers on the way. Throws http_exception for a body that is not as it must be, is
  /// too large, or comes too slowly, `unexpected_end` when the client has gone, and what the stream throws; all of
  /// which may simply pass through the handler.
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) { return from_.read_body(into); }

  /// All of the body. How large it may be is in the options of the server.
  [[nodiscard]] task<std::string> async_body() {
    std::string body;
    std::size_t size = 0;
    for (;;) {
      // Grows with what has come, not with what was promised.
      if (body.size() - size < least_room) body.resize(std::max(size * 2, least_room * 2));
      mutable_buffer const space(body.data() + size, body.size() - size);
      auto const count = co_await from_.read_body(space);
      if (count == 0) break;
      size += count;
    }
    body.resize(size);
    co_return body;
  }

  /// For the server.
  [[nodiscard]] detail::request_head const& head() const noexcept { return head_; }

  /// For routers: what `param` gives.
  void set_params(std::vector<std::pair<std::string, std::string>> params) noexcept { params_ = std::move(params); }

 private:
  static constexpr std::size_t least_room = 1024;

  http_headers listed() const {
    http_headers made;
    head_.any_field([&made](std::string_view name, std::string_view value) {
      made.add(name, value);
      return false;
    });
    return made;
  }

  void split() noexcept {
    std::string_view rest = head_.target;
    host_ = head_.host;
    if (rest.empty()) return;
    if (!rest.starts_with('/') && rest != "*") {
      rest.remove_prefix(rest.find("://") + 3);
      host_ = rest.substr(0, rest.find_first_of("/?"));
      rest.remove_prefix(host_.size());
    }
    path_ = rest.substr(0, rest.find('?'));
    rest.remove_prefix(path_.size());
    query_ = rest.empty() ? rest : rest.substr(1);
    if (path_.empty()) path_ = "/";
  }

  detail::request_head head_;
  detail::exchange& from_;
  std::string_view host_;
  std::string_view path_;
  std::string_view query_;
  std::optional<http_headers> mutable headers_;
  std::vector<std::pair<std::string, std::string>> params_;
};

}  // namespace concur::inline CONCUR_ABI
