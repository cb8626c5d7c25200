// SPDX-License-Identifier: BSL-1.0
//
// Why an HTTP request got no answer. These are libcurl's codes, as those of std::system_error that http_client throws.
//
//     try {
//       page = co_await client.async_get(url);
//     } catch (std::system_error const& error) {
//       if (error.code() == std::errc::timed_out) …
//       if (error.code() == make_curl_error(CURLE_TOO_MANY_REDIRECTS)) …
//       std::puts(error.what());      // GET http://example.org/ (transfer closed with 5 bytes …): the answer is cut
//       off
//     }
#pragma once

#include <concur/core/abi.hpp>

#include <curl/curl.h>
#include <string>
#include <system_error>

namespace concur {
// Outside the ABI tag: a category is compared by its address, and plugins of whatever build share it.
namespace [[gnu::visibility("default")]] process_wide {

class curl_category_type final : public std::error_category {
 public:
  char const* name() const noexcept override { return "curl"; }
  std::string message(int code) const override { return sentence(code); }
  std::error_condition default_error_condition(int code) const noexcept override {
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT: return std::errc::timed_out;
      case CURLE_OUT_OF_MEMORY: return std::errc::not_enough_memory;
      case CURLE_URL_MALFORMAT: return std::errc::invalid_argument;
      case CURLE_FILESIZE_EXCEEDED: return std::errc::file_too_large;
      default: return {code, *this};
    }
  }

 private:
  static char const* sentence(int code) noexcept {
    switch (code) {
      case CURLE_UNSUPPORTED_PROTOCOL: return "this protocol is not spoken here";
      case CURLE_URL_MALFORMAT: return "this is no URL";
      case CURLE_COULDNT_RESOLVE_PROXY: return "the name of the proxy is not known";
      case CURLE_COULDNT_RESOLVE_HOST: return "the name of the host is not known";
      case CURLE_COULDNT_CONNECT: return "no connection to the host";
      case CURLE_WEIRD_SERVER_REPLY: return "the answer is not HTTP";
      case CURLE_PARTIAL_FILE: return "the answer is cut off";
      case CURLE_GOT_NOTHING: return "the host has closed the connection without an answer";
      case CURLE_RECV_ERROR: return "the connection broke off while the answer was read";
      case CURLE_SEND_ERROR: return "the connection broke off while the request was sent";
      case CURLE_OPERATION_TIMEDOUT: return "the time limit has passed";
      case CURLE_TOO_MANY_REDIRECTS: return "there are too many redirects";
      case CURLE_FILESIZE_EXCEEDED: return "the answer is too large";
      case CURLE_PEER_FAILED_VERIFICATION: return "the host's certificate is not trusted";
      case CURLE_SSL_CONNECT_ERROR: return "no agreement on TLS";
      case CURLE_SSL_CACERT_BADFILE: return "the certificates of the authorities cannot be read";
      case CURLE_BAD_CONTENT_ENCODING: return "the answer cannot be decompressed";
      default: return ::curl_easy_strerror(static_cast<CURLcode>(code));
    }
  }
};

// Never destroyed: errors are shown at the end of the process, too.
union kept_curl_category {
  constexpr kept_curl_category() noexcept : category() {}
  ~kept_curl_category() {}
  curl_category_type category;
};
inline constinit kept_curl_category the_curl_category;

/// The category of CURLcode. Limits of time compare equal to std::errc::timed_out, of size to file_too_large.
inline std::error_category const& curl_category() noexcept { return the_curl_category.category; }

inline std::error_code make_curl_error(CURLcode code) noexcept { return {static_cast<int>(code), curl_category()}; }

}  // namespace process_wide
}  // namespace concur

namespace concur::inline CONCUR_ABI {

using process_wide::curl_category;
using process_wide::make_curl_error;

}  // namespace concur::inline CONCUR_ABI
