// SPDX-License-Identifier: BSL-1.0
//
// From the bytes of a head to its parts, by Boost.Beast's parser. The only file that includes Boost: its basic_parser
// alone costs a second of compile time less than its messages, which ours replace.
#pragma once

#include <concur/http/detail/request_head.hpp>
#include <concur/http/head_rules.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/none.hpp>
#include <cstdint>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

/// Parses one whole head, which `http_head_fault` has passed.
class head_parser final : boost::beast::http::basic_parser<true> {
 public:
  /// Into an empty `head`. Throws std::bad_alloc.
  static http_fault parse(std::string_view bytes, request_head& head) {
    head_parser parser(head);
    parser.header_limit(static_cast<std::uint32_t>(bytes.size()) + 1);
    parser.body_limit(boost::none);
    parser.skip(true);  // bodies are not its business
    error_code failed;
    auto const taken = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    // Our check and the parser have to agree on every byte; if ever they do not, nobody should act on it.
    if (failed || taken != bytes.size() || !parser.is_header_done()) return {400, "the head cannot be parsed"};
    return {};
  }

 private:
  using error_code = boost::beast::error_code;
  using text = boost::beast::string_view;
  using verb = boost::beast::http::verb;
  using field = boost::beast::http::field;

  explicit head_parser(request_head& head) noexcept : head_(head) {}

  static std::string_view as_view(text of) noexcept { return {of.data(), of.size()}; }

  void on_request_impl(verb, text method, text target, int version, error_code&) override {
    head_.method = as_view(method);
    head_.target = as_view(target);
    head_.minor_version = version % 10;
  }
  void on_field_impl(field, text name, text value, error_code&) override {
    head_.headers.add(as_view(name), as_view(value));
  }
  void on_response_impl(int, text, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(text body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}

  request_head& head_;
};

}  // namespace concur::inline CONCUR_ABI::detail
