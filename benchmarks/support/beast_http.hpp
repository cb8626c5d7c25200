// SPDX-License-Identifier: BSL-1.0
//
// The 'hello' server with Boost.Beast on Asio, in the three ways in which it is written: callbacks on a bare socket,
// the same on Beast's stream with a time limit for each request, as Beast's own example does, and coroutines.
#pragma once

#include "asio_server.hpp"
#include "server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

namespace bench {

namespace beast = boost::beast;

using beast_limited_stream = beast::basic_stream<boost::asio::ip::tcp, asio_executor>;
using beast_request = beast::http::request<beast::http::string_body>;
using beast_response = beast::http::response<beast::http::string_body>;

/// Made once in a second, as others do.
inline std::string const& beast_date() {
  static std::time_t made_at = -1;
  static std::string text;
  if (auto const now = std::time(nullptr); now != made_at) {
    char words[64];
    std::tm parts{};
    gmtime_r(&now, &parts);
    text.assign(words, std::strftime(words, sizeof words, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made_at = now;
  }
  return text;
}

inline beast_response beast_answer(beast_request const& request) {
  bool const known = request.method() == beast::http::verb::get && request.target() == "/hello";
  beast_response response(known ? beast::http::status::ok : beast::http::status::not_found, request.version());
  response.set(beast::http::field::content_type, "text/plain; charset=utf-8");
  response.set(beast::http::field::date, beast_date());
  response.keep_alive(request.keep_alive());
  response.body() = known ? "hello" : "not found\n";
  response.prepare_payload();
  return response;
}

/// Whoever has its pointer is what happens next; when nothing does, it ends.
template <class Stream>
class beast_session {
 public:
  explicit beast_session(asio_socket socket) : stream_(std::move(socket)) {}

  static void read(std::unique_ptr<beast_session> self) {
    auto& mine = *self;
    mine.request_ = {};
    mine.limit();
    beast::http::async_read(mine.stream_, mine.buffer_, mine.request_,
                            [self = std::move(self)](beast::error_code error, std::size_t) mutable {
                              if (!error) write(std::move(self));
                            });
  }

 private:
  static void write(std::unique_ptr<beast_session> self) {
    auto& mine = *self;
    mine.response_ = beast_answer(mine.request_);
    mine.limit();
    beast::http::async_write(mine.stream_, mine.response_,
                             [self = std::move(self)](beast::error_code error, std::size_t) mutable {
                               if (!error && self->response_.keep_alive()) read(std::move(self));
                             });
  }
  void limit() {
    if constexpr (std::same_as<Stream, beast_limited_stream>) stream_.expires_after(std::chrono::seconds(30));
  }

  Stream stream_;
  beast::flat_buffer buffer_;
  beast_request request_;
  beast_response response_;
};

template <class Stream>
void begin_beast(asio_socket socket) {
  using session = beast_session<Stream>;
  session::read(std::make_unique<session>(std::move(socket)));
}

inline asio_task<void> answer_by_beast(asio_socket socket) {
  beast::flat_buffer buffer;
  for (bool more = true; more;) {
    beast_request request;
    auto const [error, got] = co_await beast::http::async_read(socket, buffer, request, asio_waiting);
    if (error) co_return;
    beast_response response = beast_answer(request);
    more = response.keep_alive();
    auto const [failure, sent] = co_await beast::http::async_write(socket, response, asio_waiting);
    if (failure) co_return;
  }
}

inline server beast_http() { return {"beast", serve_asio<asio_callbacks, begin_beast<asio_socket>>}; }
inline server beast_limited_http() {
  return {"beast_limited", serve_asio<asio_callbacks, begin_beast<beast_limited_stream>>};
}
inline server beast_awaitable_http() { return {"beast_awaitable", serve_asio<asio_coroutines, answer_by_beast>}; }

}  // namespace bench
