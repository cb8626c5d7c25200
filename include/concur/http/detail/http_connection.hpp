// SPDX-License-Identifier: BSL-1.0
//
// One connection of an HTTP server: reads a request, has it answered, and so on.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/executor.hpp>
#include <concur/core/os.hpp>
#include <concur/core/time_limit.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
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
#include <concur/http/router.hpp>
#include <concur/http/server_options.hpp>
#include <concur/io/buffer.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of one task, whose handler, options and date outlive it. A stream that fails ends it without an error: clients come
/// and go. What it needs while it waits for a request is in this object and in `run`; what belongs to one request is in
/// `exchange_one`, and gone when that has been answered.
template <class Stream, class Handler>
class http_connection final : public exchange {
 public:
  http_connection(Stream stream, Handler& handler, http_server_options const& options, answer_date& date)
      : peer_(std::move(stream), options.write_timeout()), handler_(handler), options_(options), date_(date) {}
  http_connection(http_connection const&) = delete;
  http_connection& operator=(http_connection const&) = delete;

  /// Throws misuse outside of an event loop.
  task<> run();

  task<std::size_t> read_body(mutable_buffer into) override;
  task<> write_body(const_buffer from) override;

 private:
  static constexpr std::size_t copied_at_most = 16 * 1024;  // larger bodies are not put behind their heads
  static constexpr std::uint64_t skipped_at_most = 64 * 1024;

  // ---- the parts of one exchange

  task<bool> exchange_one();
  task<http_response> begin_answer(http_request& request, std::optional<http_response>& response);
  task<http_response> answer_in_time(task<http_response> pending);
  static void require_sendable(std::optional<http_response>& response);
  request_head take_head(std::string& kept);
  http_fault begin_body(request_head const& head);
  bool goes_on(request_head const& head, http_response const& response) const;
  bool compose(answer_text& out, request_head const& head, http_response const& response, bool& more);
  task<> send_body(http_response& response);
  task<> send_stream(http_response& response, body_framing framing);
  task<> refuse(http_fault fault);
  task<bool> skip_rest_of_body();
  task<> skip_body();
  task<> end();

  /// In the handler of an exception: the hook is told, unless it is only that the client has gone.
  void report(char const* where) const noexcept {
    if (!peer_.broken()) report_unhandled_error(std::current_exception(), where);
  }
  /// The client has to see that something is missing.
  void break_off_body() noexcept {
    if (framing_ == body_framing::until_close) {
      peer_.abort();
    } else {
      peer_.break_off();
    }
  }
  bool stopping() const noexcept { return options_.serving().stop().stop_requested(); }
  static time_limit until_after(std::chrono::nanoseconds length) noexcept {
    return time_limit::at(time_point(saturating_add(current_executor()->now().time_since_epoch(), length)));
  }

  peer_stream<Stream> peer_;
  Handler& handler_;
  http_server_options const& options_;
  answer_date& date_;
  head_scanner scanner_;
  body_decoder body_;
  http_fault fault_;  // of the head, or of the body
  std::chrono::nanoseconds body_time_left_{};
  std::uint64_t length_left_ = 0;  // of the answer, where it is written with its length
  body_framing framing_ = body_framing::none;
  bool first_ = true;
  bool expects_continue_ = false;  // and was not told to
  bool answering_ = false;  // something of the answer has been sent
  bool wrote_last_ = false;  // and more will not come
};

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::run() {
  peer_.watch().begin();
  std::exception_ptr error;
  try {
    auto const tell = [this]() noexcept { peer_.watch().stop(); };
    os::stop_callback<decltype(tell) const&> const on_stop(options_.serving().stop(), tell);
    for (bool more = true; more;) {
      bool idle = peer_.buffered().empty();
      bool is_limited = idle;
      auto limit = first_ ? until_after(options_.header_timeout()) : time_limit::after(options_.idle_timeout());
      while (idle || !scanner_.scan(peer_, options_.header_limit())) {
        if (idle && stopping()) break;
        if (idle) peer_.shrink();
        if (!is_limited) limit = until_after(options_.header_timeout());
        is_limited = true;
        auto const count = co_await peer_.fill(limit, idle);
        if (!count && !idle) fault_ = http_fault(408, "the head of a request takes too long");
        if (count.value_or(0) == 0) break;
        if (idle) is_limited = first_;  // that limit is for all of the first head
        idle = false;
      }
      if (!fault_) fault_ = scanner_.fault();
      if (fault_) {
        co_await refuse(fault_);
        break;
      }
      more = scanner_.size() != 0;
      if (more) more = co_await exchange_one();
    }
    if (!peer_.broken()) co_await end();
  } catch (std::system_error const&) {
    if (!peer_.broken()) error = std::current_exception();
  } catch (...) {
    error = std::current_exception();
  }
  co_await peer_.watch().ended();
  if (error) std::rethrow_exception(error);
}

/// Gives whether the connection can be used on.
template <class Stream, class Handler>
task<bool> http_connection<Stream, Handler>::exchange_one() {
  std::string kept;
  http_request request(take_head(kept), *this);
  if (fault_) {
    co_await refuse(fault_);
    co_return false;
  }
  std::optional<http_response> response;
  try {
    auto pending = begin_answer(request, response);
    if (!response) response = co_await std::move(pending);
  } catch (http_exception const& thrown) {
    response = http_response::text(thrown.what(), thrown.status());
  } catch (cancelled const&) {
    if (this_task::cancelled()) throw;
    report("a handler of an HTTP server");  // somebody else has cancelled what it waited for
  } catch (...) {
    report("a handler of an HTTP server");
  }
  if (peer_.broken()) co_return false;
  require_sendable(response);

  bool more = goes_on(request.head(), *response);
  answer_text out;
  bool const has_more = compose(out, request.head(), *response, more);
  answering_ = true;
  std::string_view unsent = out;
  unsent.remove_prefix(peer_.write_now(unsent));
  if (!unsent.empty()) co_await peer_.write(unsent);
  if (has_more) co_await send_body(*response);
  if (peer_.broken()) co_return false;
  if (more && !body_.done()) more = co_await skip_rest_of_body();
  wrote_last_ = !more;
  co_return more;
}

/// Calls the handler: there is a response then, or it comes from the task. In a function of its own, as others here:
/// what a coroutine needs for a moment stays in its frame.
template <class Stream, class Handler>
task<http_response> http_connection<Stream, Handler>::begin_answer(http_request& request,
                                                                   std::optional<http_response>& response) {
  task<http_response> pending;
  if constexpr (std::same_as<decltype(handler_(request)), http_response>) {
    response.emplace(handler_(request));
  } else if constexpr (std::same_as<std::remove_const_t<Handler>, http_router>) {
    pending = handler_.dispatch(request, response);
  } else {
    pending = handler_(request);
  }
  bool const is_limited = options_.handler_timeout() != std::chrono::nanoseconds::max();
  return is_limited && !response ? answer_in_time(std::move(pending)) : std::move(pending);
}

template <class Stream, class Handler>
task<http_response> http_connection<Stream, Handler>::answer_in_time(task<http_response> pending) {
  auto response = co_await move_on_after(options_.handler_timeout(), std::move(pending));
  if (!response) co_return http_response::text("the answer takes too long\n", 503);
  co_return std::move(*response);
}

/// The next head, whose bytes are in the buffer and stay there; where that will be used for a body they go to `kept`.
/// Or there is a fault.
template <class Stream, class Handler>
request_head http_connection<Stream, Handler>::take_head(std::string& kept) {
  request_head head;
  auto const bytes = peer_.buffered().substr(0, scanner_.size());
  fault_ = head.read(bytes);
  if (!fault_) fault_ = head_parser::disagrees(bytes, head);
  if (!fault_) fault_ = begin_body(head);
  if (!fault_ && !body_.done()) {
    kept = bytes;
    head = request_head();
    fault_ = head.read(kept);
  }
  peer_.consume(scanner_.size());
  scanner_ = head_scanner();
  first_ = false;
  answering_ = false;
  return head;
}

template <class Stream, class Handler>
void http_connection<Stream, Handler>::require_sendable(std::optional<http_response>& response) {
  if (response && !is_sendable(*response)) {
    report_unhandled_error(std::make_exception_ptr(misuse("an answer has a status or a header that cannot be sent")),
                           "a handler of an HTTP server");
    response.reset();
  }
  if (!response) response = http_response::text("internal server error\n", 500);
}

template <class Stream, class Handler>
http_fault http_connection<Stream, Handler>::begin_body(request_head const& head) {
  body_ = body_decoder();
  body_time_left_ = options_.body_timeout();
  expects_continue_ = false;
  if (head.is_chunked) {
    body_ = body_decoder::chunked(options_.body_limit(), options_.header_limit());
  } else if (head.length) {
    if (*head.length > options_.body_limit()) return {413, "the body is too large"};
    body_ = body_decoder::sized(*head.length);
  }
  if (head.expect && head.minor_version > 0) {
    if (!same_header_name(*head.expect, "100-continue")) return {417, "only 100-continue can be expected"};
    expects_continue_ = !body_.done();
  }
  return {};
}

/// Whether the connection may be used on behind the answer, as far as that can be known before.
template <class Stream, class Handler>
bool http_connection<Stream, Handler>::goes_on(request_head const& head, http_response const& response) const {
  if (stopping() || fault_ || (head.minor_version == 0 ? !head.says_keep_alive : head.says_close)) return false;
  if (response.only_type().empty() && has_list_word(response.headers(), "Connection", "close")) return false;
  // What nobody has read of the body is skipped if it is short. Where the client waits to be told to send it, nobody
  // can know whether it does.
  return body_.done() || (!expects_continue_ && body_.is_sized() && body_.plain_bytes() <= skipped_at_most);
}

/// The head of the answer, and its body if that is short; else returns true, if there is one. Clears `more` where only
/// the end of the connection ends the body.
template <class Stream, class Handler>
bool http_connection<Stream, Handler>::compose(answer_text& out, request_head const& head,
                                               http_response const& response, bool& more) {
  bool const is_old = head.minor_version == 0;
  auto const length = response.length();
  framing_ = body_framing::sized;
  if (has_no_body(response.status())) {
    framing_ = body_framing::none;
  } else if (!length) {
    framing_ = is_old ? body_framing::until_close : body_framing::chunked;
  }
  more = more && framing_ != body_framing::until_close;
  length_left_ = length.value_or(0);
  append_head(out, response, framing_, length_left_, !more ? "close" : is_old ? "keep-alive" : "", date_);
  if (framing_ == body_framing::none || head.method == "HEAD") return false;
  if (response.is_stream() || response.body().size() > copied_at_most) return true;
  out += response.body();
  return false;
}

template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::refuse(http_fault fault) {
  answer_text out;
  auto const response = http_response::text(std::string(fault.reason()) + "\n", fault.status());
  append_head(out, response, body_framing::sized, response.body().size(), "close", date_);
  out += response.body();
  co_await peer_.write(out);
  wrote_last_ = true;
}

/// Behind the last answer it still reads for a while.
template <class Stream, class Handler>
task<> http_connection<Stream, Handler>::end() {
  co_await peer_.end_writing();
  if (!wrote_last_) co_return;
  std::string space(copied_at_most, '\0');
  auto const limit = until_after(options_.linger_timeout());
  for (std::uint64_t total = 0; total < options_.linger_limit();) {
    auto const count = co_await peer_.read_past_buffer(mutable_buffer(space), limit);
    if (count.value_or(0) == 0) break;
    total += *count;
  }
}

}  // namespace concur::inline CONCUR_ABI::detail

#include <concur/http/detail/http_connection_bodies.hpp>
