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

/// Reads one whole head again, which `request_head` has read and found no fault in.
class head_parser final : boost::beast::http::basic_parser<true> {
 public:
  /// What is wrong if this parser finds anything else in these bytes than the head says. If ever they do not agree on
  /// every part, nobody should act on it.
  static http_fault disagrees(std::string_view bytes, request_head const& head) {
    head_parser parser(bytes, head);
    parser.header_limit(static_cast<std::uint32_t>(bytes.size()) + 1);
    parser.body_limit(boost::none);
    parser.skip(true);  // bodies are not its business
    error_code failed;
    auto const taken = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    bool const agrees = !failed && taken == bytes.size() && parser.is_header_done() && parser.found_ == head.layout;
    return agrees ? http_fault() : http_fault(400, "the head cannot be parsed");
  }

 private:
  using error_code = boost::beast::error_code;
  using text = boost::beast::string_view;
  using verb = boost::beast::http::verb;
  using field = boost::beast::http::field;

  head_parser(std::string_view bytes, request_head const& head) noexcept : head_(head), found_(bytes.data()) {}

  static std::string_view as_view(text of) noexcept { return {of.data(), of.size()}; }

  void on_request_impl(verb, text method, text target, int version, error_code& error) override {
    found_.add(as_view(method));
    found_.add(as_view(target));
    if (version != 10 + head_.minor_version) error = boost::beast::http::error::bad_version;
  }
  void on_field_impl(field, text name, text value, error_code&) override {
    found_.add(as_view(name));
    found_.add(as_view(value));
  }
  void on_response_impl(int, text, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(text body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}

  request_head const& head_;
  layout_sum found_;
};

}  // namespace concur::inline CONCUR_ABI::detail
