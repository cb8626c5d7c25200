// SPDX-License-Identifier: BSL-1.0
//
// One connection of an HTTP server: reads a request, has it answered, and so on.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/cancel_scope.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/http/detail/body_decoder.hpp>
#include <concur/http/detail/exchange.hpp>
#include <concur/http/detail/head_parser.hpp>
#include <concur/http/detail/head_scanner.hpp>
#include <concur/http/detail/http_date.hpp>
#include <concur/http/detail/peer_stream.hpp>
#include <concur/http/detail/request_head.hpp>
#include <concur/http/detail/response_head.hpp>
#include <concur/http/exception.hpp>
#include <concur/http/head_rules.hpp>
#include <concur/http/request.hpp>
#include <concur/http/response.hpp>
#include <concur/http/server_options.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/stream_errors.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of one task, whose handler, options and date outlive it. A stream that fails ends it without an error: clients come
/// and go.
template <class Stream, class Handler>
class http_connection final : public exchange {
 public:
  http_connection(Stream stream, Handler& handler, http_server_options const& options, answer_date& date)
      : peer_(std::move(stream), options.write_timeout()), handler_(handler), options_(options), date_(date) {}
  http_connection(http_connection const&) = delete;
  http_connection& operator=(http_connection const&) = delete;

  task<> run() {
    try {
      bool more = true;
      while (more) more = co_await serve_one();
      if (peer_.broken()) co_return;
      co_await peer_.end_writing();
      if (wrote_last_) co_await move_on_after(options_.linger_timeout(), linger());
    } catch (std::system_error const&) {
      if (!peer_.broken()) throw;
    }
  }

  task<std::size_t> read_body(mutable_buffer into) override;
  task<> write_body(const_buffer from) override;

 private:
  static constexpr std::size_t kept_at_most = 1024;  // by an idle connection, of what it has written
  static constexpr std::size_t copied_at_most = 16 * 1024;  // larger bodies are not put behind their heads
  static constexpr std::uint64_t skipped_at_most = 64 * 1024;

  enum class received : unsigned char { head, nothing, fault };

  // ---- the parts of one exchange

  task<bool> serve_one();
  task<received> receive_head();
  task<> receive_rest_of_head();
  task<bool> wait_for_first_byte();
  http_fault begin_body(http_headers const& headers, int minor_version);
  task<http_response> answer_to(http_request& request);
  task<bool> send(http_request const& request, http_response response);
  task<> send_stream(http_response& response, body_framing framing);
  task<> refuse(http_fault fault);
  task<bool> skip_rest_of_body();
  task<> skip_body();
  task<> linger();

  bool stopping() const noexcept { return options_.serving().stop().stop_requested(); }

  peer_stream<Stream> peer_;
  Handler& handler_;
  http_server_options const& options_;
  answer_date& date_;
  head_scanner scanner_;
  body_decoder body_;
  http_fault fault_;  // of the head, or of the body
  std::string out_;
  std::chrono::nanoseconds body_time_left_{};
  std::uint64_t length_left_ = 0;  // of the answer, where it is written with its length
  body_framing framing_ = body_framing::none;
  bool first_ = true;
  bool expects_continue_ = false;  // and was not told to
  bool answering_ = false;         // something of the answer has been sent
  bool wrote_last_ = false;        // and more will not come
};

template <class Stream, class Handler>
task<bool> http_connection<Stream, Handler>::serve_one() {
  auto const what = co_await receive_head();
  if (what == received::nothing) co_return false;
  request_head head;
  if (what == received::head) {
    auto const bytes = peer_.reader().buffered().substr(0, scanner_.size());
    fault_ = http_head_fault(bytes);
    if (!fault_) fault_ = head_parser::parse(bytes, head);
    peer_.reader().consume(scanner_.size());
    scanner_ = head_scanner();
    if (!fault_) fault_ = begin_body(head.headers, head.minor_version);
  }
  if (fault_) {
    co_await refuse(fault_);
    co_return false;
  }
  first_ = false;
  answering_ = false;
  http_request request(std::move(head), *this);
  auto response = co_await answer_to(request);
  if (peer_.broken()) co_return false;
  bool const more = co_await send(request, std::move(response));
  co_return more;
}

template <class Stream, class Handler>
task<typename http_connection<Stream, Handler>::received> http_connection<Stream, Handler>::receive_head() {
  if (peer_.reader().buffered().empty()) {
    bool const came = co_await wait_for_first_byte();
    if (!came) co_return received::nothing;
  }
  bool in_time = true;
  if (!scanner_.scan(peer_.reader(), options_.header_limit())) {
    in_time = co_await move_on_after(options_.header_timeout(), receive_rest_of_head());
  }
  fault_ = in_time ? scanner_.fault() : http_fault(408, "the head of a request takes too long");
  if (fault_) co_return received::fault;
  co_return scanner_.size() != 0 ? received::head : received::nothing;
}

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::receive_rest_of_head() {
  do {
    auto const count = co_await peer_.fill();
    if (count == 0) co_return;  // gone in the middle of it
  } while (!scanner_.scan(peer_.reader(), options_.header_limit()));
}

/// Whether it came in time, and before the server is to end.
template <class Stream, class Handler>
task<bool> http_connection<Stream, Handler>::wait_for_first_byte() {
  auto const limit = first_ ? options_.header_timeout() : options_.idle_timeout();
  cancel_scope waiting;
  waiting.cancel_after(limit);
  auto const end = [&waiting]() noexcept { waiting.cancel(); };
  os::stop_callback<decltype(end) const&> const on_stop(options_.serving().stop(), end);
  auto const count = co_await waiting.run(peer_.fill());
  co_return count.value_or(0) != 0;
}

template <class Stream, class Handler>
http_fault http_connection<Stream, Handler>::begin_body(http_headers const& headers, int minor_version) {
  body_ = body_decoder();
  body_time_left_ = options_.body_timeout();
  expects_continue_ = false;
  if (headers.contains("Transfer-Encoding")) {
    body_ = body_decoder::chunked(options_.body_limit(), options_.header_limit());
  } else if (auto const length = http_content_length(headers.get("Content-Length", "0"))) {
    if (*length > options_.body_limit()) return {413, "the body is too large"};
    body_ = body_decoder::sized(*length);
  }
  if (auto const expected = headers.find("Expect"); expected && minor_version > 0) {
    if (!same_header_name(*expected, "100-continue")) return {417, "only 100-continue can be expected"};
    expects_continue_ = !body_.done();
  }
  return {};
}

template <class Stream, class Handler>
task<http_response> http_connection<Stream, Handler>::answer_to(http_request& request) {
  std::optional<http_response> response;
  try {
    if constexpr (std::same_as<decltype(handler_(request)), http_response>) {
      response = handler_(request);
    } else if (options_.handler_timeout() == std::chrono::nanoseconds::max()) {
      response = co_await handler_(request);
    } else {
      response = co_await move_on_after(options_.handler_timeout(), handler_(request));
      if (!response) response = http_response::text("the answer takes too long\n", 503);
    }
  } catch (http_exception const& error) {
    response = http_response::text(error.what(), error.status());
  } catch (cancelled const&) {
    throw;
  } catch (...) {
    if (!peer_.broken()) report_unhandled_error(std::current_exception(), "a handler of an HTTP server");
  }
  if (response && !is_sendable(*response)) {
    report_unhandled_error(std::make_exception_ptr(misuse("an answer has a status or a header that cannot be sent")),
                           "a handler of an HTTP server");
    response.reset();
  }
  if (!response) response = http_response::text("internal server error\n", 500);
  co_return std::move(*response);
}

/// Gives whether the connection can be used on.
template <class Stream, class Handler>
task<bool> http_connection<Stream, Handler>::send(http_request const& request, http_response response) {
  auto const& headers = request.headers();
  bool const is_old = request.minor_version() == 0;
  bool more =
      is_old ? has_list_word(headers, "Connection", "keep-alive") : !has_list_word(headers, "Connection", "close");
  more = more && !has_list_word(response.headers(), "Connection", "close") && !stopping() && !fault_;
  // What nobody has read of the body is skipped if it is short. Where the client waits to be told to send it, nobody
  // can know whether it does.
  more = more && (body_.done() || (!expects_continue_ && body_.is_sized() && body_.plain_bytes() <= skipped_at_most));

  auto const length = response.length();
  framing_ = body_framing::sized;
  if (has_no_body(response.status())) {
    framing_ = body_framing::none;
  } else if (!length) {
    framing_ = is_old ? body_framing::until_close : body_framing::chunked;
  }
  more = more && framing_ != body_framing::until_close;

  out_.clear();
  append_head(out_, response, framing_, length.value_or(0), !more ? "close" : is_old ? "keep-alive" : "", date_);
  bool const has_body = framing_ != body_framing::none && request.method() != "HEAD";
  bool const at_once = has_body && !response.is_stream() && response.body().size() <= copied_at_most;
  if (at_once) out_ += response.body();
  answering_ = true;
  co_await peer_.write(out_);
  if (has_body && !at_once) {
    if (response.is_stream()) {
      length_left_ = length.value_or(0);
      co_await send_stream(response, framing_);
    } else {
      co_await peer_.write(response.body());
    }
  }
  if (out_.capacity() > kept_at_most) std::string().swap(out_);
  if (peer_.broken()) co_return false;
  if (more && !body_.done()) more = co_await skip_rest_of_body();
  wrote_last_ = !more;
  co_return more;
}

/// An error of the producer breaks the connection off: the client has to see that something is missing.
template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::send_stream(http_response& response, body_framing framing) {
  try {
    http_body_writer writer(*this);
    co_await response.produce(writer);
    if (framing == body_framing::sized && length_left_ != 0) {
      throw misuse("the body of an answer is shorter than it was said to be");
    }
  } catch (cancelled const&) {
    throw;
  } catch (...) {
    if (!peer_.broken()) report_unhandled_error(std::current_exception(), "the body of an answer of an HTTP server");
    peer_.break_off();
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
  out_.clear();
  append_number(out_, data.size(), 16);
  out_ += "\r\n";
  if (data.size() <= copied_at_most) {
    out_.append(data).append("\r\n");
    co_await peer_.write(out_);
  } else {
    co_await peer_.write(out_);
    co_await peer_.write(data);
    co_await peer_.write("\r\n");
  }
}

template <class Stream, class Handler>
task<std::size_t> http_connection<Stream, Handler>::read_body(mutable_buffer into) {
  if (into.empty()) co_return std::size_t{0};
  while (!body_.done()) {
    if (fault_) throw http_exception(fault_.status(), fault_.reason());
    auto const found = body_.decode(peer_.reader().buffered(), into.size());
    if (!found.data.empty()) std::memcpy(into.data(), found.data.data(), found.data.size());
    peer_.reader().consume(found.consumed);
    fault_ = body_.fault();
    if (!found.data.empty()) co_return found.data.size();
    if (found.consumed != 0 || fault_) continue;

    if (expects_continue_ && !answering_) {
      expects_continue_ = false;
      co_await peer_.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    // Long pieces go to where they are wanted, not through the buffer.
    auto const plain = static_cast<std::size_t>(std::min<std::uint64_t>(body_.plain_bytes(), into.size()));
    bool const is_direct = peer_.reader().buffered().empty() && plain >= peer_stream<Stream>::read_ahead;
    executor const& here = *current_executor();
    auto const before = here.now();
    std::optional<std::size_t> count;
    if (is_direct) {
      mutable_buffer const space(into.data(), plain);
      count = co_await move_on_after(body_time_left_, peer_.read_past_buffer(space));
    } else {
      count = co_await move_on_after(body_time_left_, peer_.fill());
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

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::refuse(http_fault fault) {
  out_.clear();
  auto const response = http_response::text(std::string(fault.reason()) + "\n", fault.status());
  append_head(out_, response, body_framing::sized, response.body().size(), "close", date_);
  out_ += response.body();
  co_await peer_.write(out_);
  wrote_last_ = true;
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

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::linger() {
  std::string space(copied_at_most, '\0');
  mutable_buffer const into(space);
  for (std::uint64_t total = 0; total < options_.linger_limit();) {
    auto const count = co_await peer_.read_past_buffer(into);
    if (count == 0) break;
    total += count;
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
