// SPDX-License-Identifier: BSL-1.0
//
// What is libcurl's, owned; and how an option is set.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/http/client_error.hpp>

#include <algorithm>
#include <chrono>
#include <climits>
#include <curl/curl.h>
#include <memory>
#include <new>
#include <string>
#include <system_error>

namespace concur::inline CONCUR_ABI::detail {

struct curl_easy_deleter {
  void operator()(CURL* handle) const noexcept { ::curl_easy_cleanup(handle); }
};
using curl_easy_handle = std::unique_ptr<CURL, curl_easy_deleter>;

struct curl_list_deleter {
  void operator()(curl_slist* list) const noexcept { ::curl_slist_free_all(list); }
};
using curl_list = std::unique_ptr<curl_slist, curl_list_deleter>;

class curl_multi_handle {
 public:
  curl_multi_handle() : handle_(::curl_multi_init()) {
    if (handle_ == nullptr) throw std::bad_alloc();
  }
  curl_multi_handle(curl_multi_handle const&) = delete;
  curl_multi_handle& operator=(curl_multi_handle const&) = delete;
  ~curl_multi_handle() { static_cast<void>(::curl_multi_cleanup(handle_)); }
  CURLM* get() const noexcept { return handle_; }

 private:
  CURLM* handle_;
};

inline void require_curl(CURLcode code, char const* what) {
  if (code == CURLE_OK) return;
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  throw std::system_error(make_curl_error(code), what);
}

template <class Value>
void set_curl(CURL* handle, CURLoption option, Value value) {
  require_curl(::curl_easy_setopt(handle, option, value), "setting up an HTTP request");
}

inline void append_line(curl_list& list, std::string const& line) {
  curl_slist* const longer = ::curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  static_cast<void>(list.release());
  list.reset(longer);
}

/// Rounded up; at least 1, since 0 is no limit, or libcurl's own.
inline long curl_milliseconds(std::chrono::nanoseconds length) noexcept {
  auto const count = std::chrono::ceil<std::chrono::milliseconds>(length).count();
  return static_cast<long>(std::clamp<long long>(count, 1, LONG_MAX / 2000));
}
inline long curl_seconds(std::chrono::nanoseconds length) noexcept {
  auto const count = std::chrono::ceil<std::chrono::seconds>(length).count();
  return static_cast<long>(std::clamp<long long>(count, 1, LONG_MAX / 2000));
}

/// Once a process; libcurl lets several threads come here at the same time.
inline void prepare_curl() {
  static CURLcode const prepared = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  require_curl(prepared, "preparing libcurl");
}

}  // namespace concur::inline CONCUR_ABI::detail
