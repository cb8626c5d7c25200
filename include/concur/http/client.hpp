// SPDX-License-Identifier: BSL-1.0
//
// An HTTP client, by libcurl: Python's requests.Session and aiohttp.ClientSession. Not in concur.hpp: whoever includes
// this links concur::http_client, which brings libcurl along.
//
//     concur::http_client client(client_options().timeout(30s));
//     auto const page = co_await client.async_get("https://example.org/");     // in a coroutine
//     auto const page = client.get("https://example.org/");                    // in a thread
//     if (page.ok()) use(page.body());
//     co_await client.async_download("https://example.org/big.iso", "big.iso");
//     auto const made = co_await client.async_request(client_request("PATCH", url).json(text).timeout(5s));
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_function.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/with.hpp>
#include <concur/http/client_error.hpp>
#include <concur/http/client_options.hpp>
#include <concur/http/client_request.hpp>
#include <concur/http/client_response.hpp>
#include <concur/http/client_stream.hpp>
#include <concur/http/detail/curl_driver.hpp>
#include <concur/http/detail/curl_exchange.hpp>
#include <concur/http/detail/download_file.hpp>
#include <concur/loop/event_loop.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Whatever takes pieces of a body one after the other: `sink(std::string_view)`, a plain function, or one that gives a
/// task, which is awaited before the next piece is read.
template <class Sink>
concept body_sink = std::invocable<Sink&, std::string_view>;

/// A session: requests share connections, which are kept for the next ones, and the fields and limits of the options.
/// Hosts have to prove who they are (TLS), unless the options say otherwise.
///
/// Blocking verbs may be called from any threads at the same time; each that runs at the same time has connections of
/// its own, which later calls use. Verbs for coroutines belong to the loop on which they are used first; another one
/// may follow when no request is under way. The client must not be destroyed before they have ended.
///
/// An answer is a value, whatever its status. Verbs throw std::system_error with method and URL in its text: of
/// curl_category when there is no answer, or not all of it; of the generic one when the system fails. What is no
/// request throws std::invalid_argument, and std::bad_alloc is possible everywhere. A cancel, a stop or an error of the
/// caller's ends the transfer and closes its connection: then libcurl uses nothing of it any more.
class http_client {
 public:
  /// Throws std::system_error if libcurl cannot be used.
  explicit http_client(client_options options = client_options()) : options_(std::move(options)) {
    detail::prepare_curl();
  }
  http_client(http_client const&) = delete;
  http_client& operator=(http_client const&) = delete;

  client_options const& options() const noexcept { return options_; }

  // ---- for threads

  client_response request(client_request what) { return *request_within(std::move(what), {}); }
  /// Nothing when a stop was requested first.
  std::optional<client_response> request(client_request what, os::stop_token const& stop) {
    return request_within(std::move(what), {.stop = &stop});
  }
  client_response get(std::string url) { return request(client_request("GET", std::move(url))); }
  client_response head(std::string url) { return request(client_request("HEAD", std::move(url))); }
  client_response del(std::string url) { return request(client_request("DELETE", std::move(url))); }
  client_response post(std::string url, std::string body, std::string_view content_type = {}) {
    return request(with_body("POST", std::move(url), std::move(body), content_type));
  }
  client_response put(std::string url, std::string body, std::string_view content_type = {}) {
    return request(with_body("PUT", std::move(url), std::move(body), content_type));
  }

  /// Returns when status and fields have come.
  [[nodiscard]] client_stream open(client_request what) { return *open_within(std::move(what), {}); }
  /// Gives the body to `sink`, a plain function, as it comes; returns the rest.
  template <body_sink Sink>
  client_response stream(client_request what, Sink sink) {
    static_assert(!task_function<Sink&, std::string_view>, "a thread cannot await what this sink gives: async_stream");
    auto answer = open(std::move(what));
    while (auto const piece = answer.next()) sink(std::string_view(*piece));
    return std::move(answer.response_);
  }
  /// Writes the body to a file if the status is one of success; and else nothing. The file is there when all of it is,
  /// and one that was there before is replaced then.
  client_response download(client_request what, std::string path);
  client_response download(std::string url, std::string path) {
    return download(client_request("GET", std::move(url)), std::move(path));
  }

  // ---- for coroutines

  [[nodiscard]] task<client_response> async_request(client_request what);
  [[nodiscard]] task<client_response> async_get(std::string url) {
    return async_request(client_request("GET", std::move(url)));
  }
  [[nodiscard]] task<client_response> async_head(std::string url) {
    return async_request(client_request("HEAD", std::move(url)));
  }
  [[nodiscard]] task<client_response> async_del(std::string url) {
    return async_request(client_request("DELETE", std::move(url)));
  }
  [[nodiscard]] task<client_response> async_post(std::string url, std::string body,
                                                 std::string_view content_type = {}) {
    return async_request(with_body("POST", std::move(url), std::move(body), content_type));
  }
  [[nodiscard]] task<client_response> async_put(std::string url, std::string body, std::string_view content_type = {}) {
    return async_request(with_body("PUT", std::move(url), std::move(body), content_type));
  }

  [[nodiscard]] task<client_stream> async_open(client_request what);
  /// For users of GCC 12: in a co_await expression a lambda should capture by reference, or have a name.
  template <body_sink Sink>
  [[nodiscard]] task<client_response> async_stream(client_request what, Sink sink) {
    auto answer = co_await async_open(std::move(what));
    while (auto const piece = co_await answer.async_next()) {
      if constexpr (task_function<Sink&, std::string_view>) {
        co_await sink(std::string_view(*piece));
      } else {
        sink(std::string_view(*piece));
      }
    }
    co_return std::move(answer.response_);
  }
  /// The file is written as `file` does for coroutines: the loop's thread does not wait for a disk.
  [[nodiscard]] task<client_response> async_download(client_request what, std::string path);
  [[nodiscard]] task<client_response> async_download(std::string url, std::string path) {
    return async_download(client_request("GET", std::move(url)), std::move(path));
  }

 private:
  using exchange = detail::curl_exchange;

  static client_request with_body(char const* method, std::string url, std::string body,
                                  std::string_view content_type) {
    return std::move(client_request(method, std::move(url)).body(std::move(body), content_type));
  }

  std::optional<client_response> request_within(client_request what, wait_limit const& limit);
  std::optional<client_stream> open_within(client_request what, wait_limit const& limit);
  detail::curl_driver& driver_of_loop();

  client_options const options_;
  detail::curl_drivers of_threads_;
  std::unique_ptr<detail::curl_driver> of_loop_;
  event_loop* loop_ = nullptr;  // whose it is; compared only
};

inline std::optional<client_response> http_client::request_within(client_request what, wait_limit const& limit) {
  auto const loan = of_threads_.borrow(options_);
  exchange running(*loan, options_, std::move(what), exchange::body_to::memory);
  if (!running.wait(exchange::what::end, limit)) return std::nullopt;
  return running.response();
}

inline std::optional<client_stream> http_client::open_within(client_request what, wait_limit const& limit) {
  auto loan = of_threads_.borrow(options_);
  auto running = std::make_unique<exchange>(*loan, options_, std::move(what), exchange::body_to::reader);
  if (!running->wait(exchange::what::head, limit)) return std::nullopt;
  return client_stream(std::move(loan), std::move(running));
}

inline client_response http_client::download(client_request what, std::string path) {
  auto answer = open(std::move(what));
  if (!answer.response().ok()) return std::move(answer.response_);
  detail::download_file file(std::move(path));
  file.create();
  while (auto const piece = answer.next()) file.write(*piece);
  file.keep();
  return std::move(answer.response_);
}

inline detail::curl_driver& http_client::driver_of_loop() {
  if (this_task::cancelled()) throw cancelled();
  event_loop* const here = event_loop::current();
  if (here == nullptr) throw misuse("an HTTP request was awaited on a thread that runs no event loop");
  if (!of_loop_) of_loop_ = std::make_unique<detail::curl_driver>(options_);
  if (loop_ != here && !of_loop_->idle()) throw misuse("an http_client was used on two event loops at the same time");
  loop_ = here;
  return *of_loop_;
}

inline task<client_response> http_client::async_request(client_request what) {
  exchange running(driver_of_loop(), options_, std::move(what), exchange::body_to::memory);
  co_await running.async_wait(exchange::what::end);
  co_return running.response();
}

inline task<client_stream> http_client::async_open(client_request what) {
  auto& driver = driver_of_loop();
  auto running = std::make_unique<exchange>(driver, options_, std::move(what), exchange::body_to::reader);
  co_await running->async_wait(exchange::what::head);
  co_return client_stream(detail::curl_drivers::loan(), std::move(running));
}

inline task<client_response> http_client::async_download(client_request what, std::string path) {
  auto answer = co_await async_open(std::move(what));
  if (!answer.response().ok()) co_return std::move(answer.response_);
  detail::download_file file(std::move(path));
  auto const fill = [&answer](detail::download_file& into) -> task<> {
    co_await into.async_create();
    while (auto const piece = co_await answer.async_next()) co_await into.async_write(*piece);
    co_await into.async_keep();
  };
  co_await with(file, fill);
  co_return std::move(answer.response_);
}

}  // namespace concur::inline CONCUR_ABI
