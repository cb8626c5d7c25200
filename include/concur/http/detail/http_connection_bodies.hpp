// SPDX-License-Identifier: BSL-1.0
//
// The part of http_connection.hpp that reads the bodies of requests and writes those of answers.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/http/detail/http_connection.hpp>
#include <concur/http/exception.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/stream_errors.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace concur::inline CONCUR_ABI::detail {

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::send_body(http_response& response) {
  if (response.is_stream()) {
    co_await send_stream(response, framing_);
  } else {
    co_await peer_.write(response.body());
  }
}

/// An error of the producer, or a cancel, breaks the connection off.
template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::send_stream(http_response& response, body_framing framing) {
  constexpr auto producer = "the body of an answer of an HTTP server";
  try {
    http_body_writer writer(*this);
    co_await response.produce(writer);
    if (framing == body_framing::sized && length_left_ != 0) {
      throw misuse("the body of an answer is shorter than it was said to be");
    }
  } catch (cancelled const&) {
    bool const is_ours = this_task::cancelled();
    if (!is_ours) report(producer);  // somebody else has cancelled what it waited for
    break_off_body();
    if (is_ours) throw;
  } catch (...) {
    report(producer);
    break_off_body();
  }
  if (!peer_.broken() && framing == body_framing::chunked) co_await peer_.write("0\r\n\r\n");
}

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::write_body(const_buffer from) {
  std::string_view const data(static_cast<char const*>(from.data()), from.size());
  if (data.empty()) co_return;  // an empty chunk would be the last one
  if (framing_ == body_framing::sized) {
    if (data.size() > length_left_) throw misuse("the body of an answer is longer than it was said to be");
    length_left_ -= data.size();
  }
  if (framing_ != body_framing::chunked) {
    co_await peer_.write(data);
    co_return;
  }
  answer_text out;
  out.add_number(data.size(), 16) += "\r\n";
  bool const at_once = data.size() <= copied_at_most;
  if (at_once) (out += data) += "\r\n";
  co_await peer_.write(out);
  if (!at_once) {
    co_await peer_.write(data);
    co_await peer_.write("\r\n");
  }
}

template <class Stream, class Handler>
task<std::size_t> http_connection<Stream, Handler>::read_body(mutable_buffer into) {
  if (into.empty()) co_return std::size_t{0};
  while (!body_.done()) {
    if (fault_) throw http_exception(fault_.status(), fault_.reason());
    auto const found = body_.decode(peer_.buffered(), into.size());
    if (!found.data.empty()) std::memcpy(into.data(), found.data.data(), found.data.size());
    peer_.consume(found.consumed);
    fault_ = body_.fault();
    if (!found.data.empty()) co_return found.data.size();
    if (found.consumed != 0 || fault_) continue;

    if (expects_continue_ && !answering_) {
      expects_continue_ = false;
      co_await peer_.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    // Long pieces go to where they are wanted, not through the buffer.
    auto const plain = static_cast<std::size_t>(std::min<std::uint64_t>(body_.plain_bytes(), into.size()));
    bool const is_direct = peer_.buffered().empty() && plain >= peer_stream<Stream>::read_ahead;
    executor const& here = *current_executor();
    auto const before = here.now();
    std::optional<std::size_t> count;
    if (is_direct) {
      mutable_buffer const space(into.data(), plain);
      count = co_await peer_.read_past_buffer(space, time_limit::after(body_time_left_));
    } else {
      count = co_await peer_.fill(time_limit::after(body_time_left_));
    }
    if (body_time_left_ != std::chrono::nanoseconds::max()) body_time_left_ -= here.now() - before;
    if (!count) {
      fault_ = http_fault(408, "the body of a request takes too long");
    } else if (*count == 0) {
      peer_.break_off();
      throw unexpected_end(0);
    } else if (is_direct) {
      body_.skip_plain(*count);
      co_return *count;
    }
  }
  co_return std::size_t{0};
}

/// Whether its end was reached.
template <class Stream, class Handler>
task<bool> http_connection<Stream, Handler>::skip_rest_of_body() {
  bool const in_time = co_await move_on_after(options_.linger_timeout(), skip_body());
  co_return in_time&& body_.done();
}

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::skip_body() {
  std::string space(copied_at_most, '\0');
  mutable_buffer const into(space);
  try {
    while (auto const count = co_await read_body(into)) static_cast<void>(count);
  } catch (std::exception const&) {
    // The client has gone, or sends nonsense: the caller sees that it is not done.
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
