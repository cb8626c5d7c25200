// SPDX-License-Identifier: BSL-1.0
//
// An answer whose body is read while it comes. aiohttp's response.content, and requests' iter_content.
//
//     auto answer = co_await client.async_open(client_request("GET", url));
//     while (auto chunk = co_await answer.async_next()) co_await file.async_write(*chunk);
//
//     auto answer = client.open(client_request("GET", url));      // the same in a thread
//     while (auto chunk = answer.next()) …
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/http/client_response.hpp>
#include <concur/http/detail/curl_exchange.hpp>
#include <concur/io/buffer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Made by an http_client, which must outlive it. What nobody reads keeps the host waiting. Destroyed or closed before
/// the end of the body, it closes the connection; at the end the connection goes back to the client.
///
/// Of `async_open`: used on its loop only, by the verbs for coroutines; of `open`: by one thread at a time, by the
/// others. Otherwise they throw misuse. Verbs throw what http_client's do; after an error, or a cancel, what was read
/// before is not lost. A limit of time of the request goes on to the end of the body.
///
/// Also a stream of bytes to read from: `buffered_reader lines(std::move(answer));`.
class client_stream {
 public:
  client_stream(client_stream&& other) noexcept = default;
  client_stream& operator=(client_stream&& other) noexcept {
    close();
    loan_ = std::move(other.loan_);
    exchange_ = std::move(other.exchange_);
    response_ = std::move(other.response_);
    current_ = std::move(other.current_);
    taken_ = other.taken_;
    return *this;
  }
  ~client_stream() { close(); }

  /// Status and fields; its body is empty.
  [[nodiscard]] client_response const& response() const noexcept { return response_; }
  [[nodiscard]] int status() const noexcept { return response_.status(); }
  [[nodiscard]] http_headers const& headers() const noexcept { return response_.headers(); }

  /// The next piece of the body, as it comes; nothing at the end.
  std::optional<std::string> next() { return rest_of(*fill({})); }
  [[nodiscard]] task<std::optional<std::string>> async_next() { co_return rest_of(co_await async_fill()); }

  /// Some of the body, up to the size of the buffer, and at least a byte; 0 at the end.
  std::size_t read_some(mutable_buffer into) { return copied(*fill({}), into); }
  /// Nothing when a stop was requested first.
  std::optional<std::size_t> read_some(mutable_buffer into, os::stop_token const& stop) {
    auto const more = fill({.stop = &stop});
    if (!more) return std::nullopt;
    return copied(*more, into);
  }
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) {
    co_return copied(co_await async_fill(), into);
  }

  /// Ends the transfer, wherever it is. Then there is nothing more to read: verbs throw std::system_error.
  void close() noexcept {
    exchange_.reset();
    loan_.end();
    current_.clear();
    taken_ = 0;
  }

 private:
  friend class http_client;
  client_stream(detail::curl_drivers::loan loan, std::unique_ptr<detail::curl_exchange> exchange)
      : loan_(std::move(loan)), exchange_(std::move(exchange)), response_(exchange_->response_without_body()) {}

  void require_open(bool in_thread) const {
    if (!exchange_) throw std::system_error(EBADF, std::generic_category(), "reading an answer that was closed");
    if (in_thread == static_cast<bool>(loan_)) return;
    throw misuse(in_thread ? "an answer that async_open gave was read in a blocking way"
                           : "an answer that open gave was awaited; async_open is for coroutines");
  }

  // Whether there is more, in current_ behind taken_; or nothing, when the limit was reached.
  std::optional<bool> fill(wait_limit const& limit) {
    require_open(true);
    if (taken_ < current_.size()) return true;
    if (!exchange_->wait(detail::curl_exchange::what::data, limit)) return std::nullopt;
    return take_next();
  }
  task<bool> async_fill() {
    require_open(false);
    if (this_task::cancelled()) throw cancelled();
    // A host that is faster than its reader would let nobody else have a turn.
    if (++reads_ % most_in_a_row == 0) co_await yield();
    if (taken_ < current_.size()) co_return true;
    co_await exchange_->async_wait(detail::curl_exchange::what::data);
    co_return take_next();
  }
  bool take_next() {
    current_ = exchange_->take();
    taken_ = 0;
    return !current_.empty();
  }

  std::optional<std::string> rest_of(bool more) {
    if (!more) return std::nullopt;
    auto rest = std::exchange(current_, {});
    rest.erase(0, std::exchange(taken_, 0));
    return rest;
  }
  std::size_t copied(bool more, mutable_buffer into) noexcept {
    if (!more || into.empty()) return 0;
    auto const count = std::min(into.size(), current_.size() - taken_);
    std::memcpy(into.data(), current_.data() + taken_, count);
    taken_ += count;
    return count;
  }

  static constexpr unsigned most_in_a_row = 16;

  detail::curl_drivers::loan loan_;  // of a thread's
  std::unique_ptr<detail::curl_exchange> exchange_;
  client_response response_;
  std::string current_;
  std::size_t taken_ = 0;  // of current_
  unsigned reads_ = 0;
};

}  // namespace concur::inline CONCUR_ABI
