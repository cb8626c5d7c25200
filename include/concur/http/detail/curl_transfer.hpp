// SPDX-License-Identifier: BSL-1.0
//
// One request and what has come of it so far: an easy handle of libcurl's with all that it points at.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/intrusive_list.hpp>
#include <concur/http/client_error.hpp>
#include <concur/http/client_options.hpp>
#include <concur/http/client_request.hpp>
#include <concur/http/client_response.hpp>
#include <concur/http/detail/curl_handles.hpp>
#include <concur/http/headers.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <curl/curl.h>
#include <exception>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Stays where it is. libcurl calls it only inside the calls of the driver, and knows it no more when the driver has
/// removed it.
class curl_transfer : public intrusive_list_node<> {
 public:
  /// What somebody waits for.
  enum class what : unsigned char {
    head,  ///< status and fields of the answer
    data,  ///< some of the body, or its end
    end,
  };
  /// Where the body goes: all of it into memory, or piece by piece to a reader, who keeps the host waiting.
  enum class body_to : unsigned char { memory, reader };

  /// Throws std::bad_alloc, and std::system_error for what libcurl does not take.
  curl_transfer(client_options const& options, client_request request, body_to where);

  CURL* handle() const noexcept { return handle_.get(); }

  [[nodiscard]] bool has(what wanted) const noexcept {
    if (done_) return true;
    return wanted == what::head ? head_complete_ : wanted == what::data && !received_.empty();
  }
  /// For the party that waits in a coroutine; set when there may be what it waits for, or it is to lead.
  event& news() noexcept { return news_; }

  /// What the driver was told: nothing more will come.
  void finish(CURLcode code) noexcept {
    // For libcurl a connection that ends among the fields ends the answer as well.
    result_ = code == CURLE_OK && !fields_ended_ ? CURLE_PARTIAL_FILE : code;
    done_ = true;
    news_.set();
  }
  /// Whether status and fields have come, however it went on.
  bool has_head() const noexcept { return head_complete_; }
  /// If it has ended, and not well.
  void throw_if_failed() const {
    if (!done_ || (result_ == CURLE_OK && !error_)) return;
    if (error_) std::rethrow_exception(error_);
    throw_result();
  }

  client_response::head head() const;
  std::string& received() noexcept { return received_; }
  /// Whether libcurl waits for the reader, who has to let it go on; forgets that.
  bool take_pause() noexcept { return std::exchange(paused_, false); }

 private:
  static constexpr std::size_t most_header_bytes = 1024 * 1024;  // of all answers on the way to the last one

  void set_request(client_options const& options);
  void set_limits(client_options const& options, client_request const& request);
  void set_connection(client_options const& options);
  void set_callbacks();
  [[noreturn]] void throw_result() const;
  bool take_header(std::string_view line);
  bool follows() const noexcept { return most_redirects_ > 0 && status_ >= 300 && status_ < 400 && has_location_; }

  template <class Take>
  static std::size_t taken(void* self, Take take) noexcept;
  static std::size_t header_callback(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t write_callback(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t read_callback(char* into, std::size_t one, std::size_t size, void* self) noexcept;
  static int seek_callback(void* self, curl_off_t offset, int origin) noexcept;

  client_request const request_;  // libcurl points at its body
  body_to const where_;
  std::size_t most_kept_ = 0;  // of the body, in memory, or before the reader has to read
  long most_redirects_ = 0;
  std::array<char, CURL_ERROR_SIZE> text_{};
  curl_list fields_;
  std::size_t sent_ = 0;  // of the body, if it is read by libcurl
  event news_;
  std::exception_ptr error_;
  std::string received_;
  std::string status_line_;
  std::size_t header_bytes_ = 0;
  int status_ = 0;
  CURLcode result_ = CURLE_OK;
  bool has_location_ = false;
  bool fields_ended_ = false;  // of the last answer so far
  bool head_complete_ = false;
  bool paused_ = false;
  bool done_ = false;
  curl_easy_handle handle_;  // goes first
};

inline curl_transfer::curl_transfer(client_options const& options, client_request request, body_to where)
    : request_(std::move(request)), where_(where), handle_(::curl_easy_init()) {
  if (!handle_) throw std::bad_alloc();
  set_callbacks();
  set_connection(options);
  set_limits(options, request_);
  set_request(options);
}

inline void curl_transfer::set_callbacks() {
  CURL* const curl = handle();
  set_curl(curl, CURLOPT_PRIVATE, this);
  set_curl(curl, CURLOPT_ERRORBUFFER, text_.data());
  set_curl(curl, CURLOPT_HEADERFUNCTION, &header_callback);
  set_curl(curl, CURLOPT_HEADERDATA, this);
  set_curl(curl, CURLOPT_WRITEFUNCTION, &write_callback);
  set_curl(curl, CURLOPT_WRITEDATA, this);
  set_curl(curl, CURLOPT_NOSIGNAL, 1L);
  // A name that is still looked up is left to its thread when the transfer goes, instead of being waited for.
  set_curl(curl, CURLOPT_QUICK_EXIT, 1L);
  set_curl(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

inline void curl_transfer::set_connection(client_options const& options) {
  CURL* const curl = handle();
  set_curl(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set_curl(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  if (options.proxy()) set_curl(curl, CURLOPT_PROXY, options.proxy()->c_str());
  if (!options.ca_file().empty()) {
    set_curl(curl, CURLOPT_CAINFO, options.ca_file().c_str());
    set_curl(curl, CURLOPT_CAPATH, static_cast<char const*>(nullptr));
  }
  set_curl(curl, CURLOPT_SSL_VERIFYPEER, options.verifies() ? 1L : 0L);
  set_curl(curl, CURLOPT_SSL_VERIFYHOST, options.verifies() ? 2L : 0L);
  if (options.decompresses()) set_curl(curl, CURLOPT_ACCEPT_ENCODING, "");
}

inline void curl_transfer::set_limits(client_options const& options, client_request const& request) {
  using namespace std::chrono_literals;
  CURL* const curl = handle();
  auto const& own = request.limits();
  auto const& general = options.limits();
  if (auto const total = own.total ? own.total : general.total) {
    set_curl(curl, CURLOPT_TIMEOUT_MS, curl_milliseconds(*total));
  }
  auto const connect = own.connect ? own.connect : general.connect;
  set_curl(curl, CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(connect.value_or(30s)));
  if (auto const stall = own.stall ? own.stall : general.stall) {
    set_curl(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set_curl(curl, CURLOPT_LOW_SPEED_TIME, curl_seconds(*stall));
  }
  auto const redirects = own.redirects ? own.redirects : general.redirects;
  most_redirects_ = static_cast<long>(std::min(redirects.value_or(10), 1'000'000u));
  set_curl(curl, CURLOPT_FOLLOWLOCATION, most_redirects_ > 0 ? 1L : 0L);
  set_curl(curl, CURLOPT_MAXREDIRS, most_redirects_);
  // A length beyond that is no length for libcurl, unless there is a limit.
  set_curl(curl, CURLOPT_MAXFILESIZE_LARGE, std::numeric_limits<curl_off_t>::max());
  auto const body = own.body ? own.body : general.body;
  most_kept_ =
      where_ == body_to::memory ? body.value_or(256 * 1024 * 1024) : std::max(options.read_ahead(), std::size_t{1});
}

// PUT is libcurl's own, so that a redirect can turn it into a GET; other methods are words of ours.
inline void curl_transfer::set_request(client_options const& options) {
  CURL* const curl = handle();
  set_curl(curl, CURLOPT_URL, request_.url().c_str());
  auto const& method = request_.method();
  auto const* const body = request_.body() ? &*request_.body() : nullptr;
  if (method == "HEAD") {
    if (body != nullptr) throw std::invalid_argument("a HEAD request has no body");
    set_curl(curl, CURLOPT_NOBODY, 1L);
  } else if (method == "PUT") {
    set_curl(curl, CURLOPT_UPLOAD, 1L);
    set_curl(curl, CURLOPT_READFUNCTION, &read_callback);
    set_curl(curl, CURLOPT_READDATA, this);
    set_curl(curl, CURLOPT_SEEKFUNCTION, &seek_callback);
    set_curl(curl, CURLOPT_SEEKDATA, this);
    set_curl(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(body != nullptr ? body->size() : 0));
  } else if (body != nullptr || method == "POST") {
    set_curl(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body != nullptr ? body->size() : 0));
    set_curl(curl, CURLOPT_POSTFIELDS, body != nullptr ? body->data() : "");
    if (method != "POST") {
      set_curl(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
      // For libcurl it is a POST all the same, which after 301 and 302 would lose its body.
      set_curl(curl, CURLOPT_POSTREDIR, long{CURL_REDIR_POST_301 | CURL_REDIR_POST_302});
    }
  } else if (method != "GET") {
    set_curl(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  auto const add = [this](http_headers::field const& field) {
    append_line(fields_, field.value.empty() ? field.name + ';' : field.name + ": " + field.value);
  };
  auto const& own = request_.headers();
  for (auto const& field : own) add(field);
  for (auto const& field : options.headers()) {
    if (!own.contains(field.name)) add(field);
  }
  auto const has = [&](std::string_view name) { return own.contains(name) || options.headers().contains(name); };
  if (!has("User-Agent")) append_line(fields_, "User-Agent: concur");
  // What libcurl says by itself: that a body is a form, and that it waits for a second whether it may send one.
  if (!has("Content-Type")) append_line(fields_, "Content-Type:");
  if (!has("Expect")) append_line(fields_, "Expect:");
  set_curl(curl, CURLOPT_HTTPHEADER, fields_.get());
}

inline client_response::head curl_transfer::head() const {
  client_response::head made;
  made.status = status_;
  // "HTTP/1.1 404 Not Found"
  auto const words = status_line_.find(' ', std::min(status_line_.find(' '), status_line_.size() - 1) + 1);
  if (words != status_line_.npos) made.reason = status_line_.substr(words + 1);
  made.method = request_.method();
  char const* url = nullptr;
  long redirects = 0;
  if (::curl_easy_getinfo(handle(), CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url != nullptr) made.url = url;
  if (::curl_easy_getinfo(handle(), CURLINFO_REDIRECT_COUNT, &redirects) == CURLE_OK) {
    made.redirects = static_cast<unsigned>(redirects);
  }
  for (curl_header* each = nullptr; (each = ::curl_easy_nextheader(handle(), CURLH_HEADER, -1, each)) != nullptr;) {
    std::string_view value = each->value;
    if (value == "\r") value = {};  // libcurl 7.88, of an empty one
    made.headers.add(each->name, value);
  }
  return made;
}

/// Without the password that may stand in it.
inline std::string shown_url(std::string_view url) {
  auto const scheme = url.find("://");
  auto const begin = scheme == url.npos ? 0 : scheme + 3;
  auto const end = std::min(url.find_first_of("/?#", begin), url.size());
  auto const at = url.substr(begin, end - begin).rfind('@');
  std::string shown(url);
  if (at != url.npos) shown.erase(begin, at + 1);
  return shown;
}

inline void curl_transfer::throw_result() const {
  if (result_ == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  auto sentence = request_.method() + ' ' + shown_url(request_.url());
  char const* url = nullptr;
  long redirects = 0;
  static_cast<void>(::curl_easy_getinfo(handle(), CURLINFO_EFFECTIVE_URL, &url));
  static_cast<void>(::curl_easy_getinfo(handle(), CURLINFO_REDIRECT_COUNT, &redirects));
  if (redirects > 0 && url != nullptr) sentence += ", sent on to " + shown_url(url);
  if (text_[0] != '\0') sentence += std::string(" (") + text_.data() + ')';
  throw std::system_error(make_curl_error(result_), sentence);
}

/// Nothing of ours may be thrown through libcurl: it is kept, and ends the transfer.
template <class Take>
std::size_t curl_transfer::taken(void* self, Take take) noexcept {
  auto& mine = *static_cast<curl_transfer*>(self);
  if (mine.error_) return CURL_WRITEFUNC_ERROR;
  try {
    return take(mine);
  } catch (...) {
    mine.error_ = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

inline std::size_t curl_transfer::header_callback(char* data, std::size_t, std::size_t size, void* self) noexcept {
  return taken(self, [&](curl_transfer& mine) {
    mine.header_bytes_ += size;
    if (mine.header_bytes_ > most_header_bytes) {
      throw std::system_error(make_curl_error(CURLE_FILESIZE_EXCEEDED),
                              mine.request_.method() + ' ' + shown_url(mine.request_.url()) + " (its header fields)");
    }
    if (mine.take_header(std::string_view(data, size))) mine.news_.set();
    return size;
  });
}

// Whether the head of the last answer is complete: no interim one, and none that libcurl goes on from by itself.
inline bool curl_transfer::take_header(std::string_view line) {
  if (head_complete_) return false;  // what comes behind the body
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    status_line_ = line;
    has_location_ = fields_ended_ = false;
    status_ = 0;
    for (auto at = line.find(' ') + 1; at != 0 && at < line.size() && line[at] >= '0' && line[at] <= '9'; ++at) {
      status_ = std::min(status_ * 10 + (line[at] - '0'), 9999);
    }
    // From here on it is a GET; for POST and PUT libcurl sees to that itself.
    if (status_ == 303 && most_redirects_ > 0 && request_.method() != "HEAD") {
      set_curl(handle(), CURLOPT_CUSTOMREQUEST, static_cast<char const*>(nullptr));
    }
  } else if (line.empty()) {
    fields_ended_ = true;
    head_complete_ = status_ >= 200 && !follows();
  } else if (same_header_name(line.substr(0, line.find(':')), "Location")) {
    has_location_ = true;
  }
  return head_complete_;
}

inline std::size_t curl_transfer::write_callback(char* data, std::size_t, std::size_t size, void* self) noexcept {
  return taken(self, [&](curl_transfer& mine) -> std::size_t {
    mine.head_complete_ = true;
    auto& kept = mine.received_;
    if (mine.where_ == body_to::reader) {
      if (kept.size() >= mine.most_kept_) {
        mine.paused_ = true;
        return CURL_WRITEFUNC_PAUSE;
      }
    } else if (size > mine.most_kept_ - kept.size()) {
      throw std::system_error(make_curl_error(CURLE_FILESIZE_EXCEEDED),
                              mine.request_.method() + ' ' + shown_url(mine.request_.url()) + " (more than " +
                                  std::to_string(mine.most_kept_) + " bytes)");
    }
    kept.append(data, size);
    if (mine.where_ == body_to::reader) mine.news_.set();
    return size;
  });
}

inline std::size_t curl_transfer::read_callback(char* into, std::size_t one, std::size_t size, void* self) noexcept {
  auto& mine = *static_cast<curl_transfer*>(self);
  if (!mine.request_.body()) return 0;
  auto const rest = std::string_view(*mine.request_.body()).substr(mine.sent_, one * size);
  std::memcpy(into, rest.data(), rest.size());
  mine.sent_ += rest.size();
  return rest.size();
}

// Once more from the beginning, after a redirect or on another connection.
inline int curl_transfer::seek_callback(void* self, curl_off_t offset, int origin) noexcept {
  auto& mine = *static_cast<curl_transfer*>(self);
  auto const size = mine.request_.body() ? mine.request_.body()->size() : 0;
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > size) return CURL_SEEKFUNC_FAIL;
  mine.sent_ = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

}  // namespace concur::inline CONCUR_ABI::detail
