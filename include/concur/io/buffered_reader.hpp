// SPDX-License-Identifier: BSL-1.0
//
// Reads lines, records and the like from a stream of bytes. Python's StreamReader, and its files.
//
//     concur::buffered_reader reader(connection);              // or std::move(connection): then it has the stream
//     auto const head = co_await reader.async_read_until("\r\n\r\n", 16 * 1024);
//     auto const body = co_await reader.async_read_exactly(length);
//
//     auto lines = reader.async_lines();
//     while (auto line = co_await lines.next()) use(*line);
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/async_generator.hpp>
#include <concur/coro/generator.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_store.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/detail/read_plan.hpp>
#include <concur/io/stream_errors.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Has a stream, or refers to one: `buffered_reader<tcp_stream&>`. Blocking verbs need a stream with `read_some`, those
/// for coroutines one with `async_read_some`.
///
/// No byte is lost: a verb that was cancelled, or that throws, has taken nothing; what it has read from the stream is
/// in the buffer, for the next one. Nobody else should read from the stream, as the reader reads ahead.
///
/// Verbs throw what the stream throws, `unexpected_end`, `limit_exceeded`, std::bad_alloc, and `cancelled`. One reads
/// at a time, and it must not be moved meanwhile.
template <class Stream>
class buffered_reader {
 public:
  /// How long a line, or what is read up to a delimiter, may be if nothing is said.
  static constexpr std::size_t default_limit = 64 * 1024;

  /// Reads about so many bytes ahead, if there are so many. No memory is taken before it reads.
  explicit buffered_reader(Stream stream, std::size_t ahead = 8 * 1024)
      : stream_(static_cast<Stream&&>(stream)), ahead_(std::max<std::size_t>(ahead, 1)) {}

  [[nodiscard]] std::remove_reference_t<Stream>& stream() noexcept { return stream_; }

  // ---- parts. Where the stream has ended before the first byte of one, there is none.

  /// Up to a delimiter, with it. The limit is of both together. If the stream ends before the delimiter:
  /// unexpected_end. Requires: the delimiter is not empty.
  std::optional<std::string> read_until(std::string_view delimiter, std::size_t limit = default_limit) {
    return run(detail::until_delimiter(delimiter, limit));
  }
  [[nodiscard]] task<std::optional<std::string>> async_read_until(std::string delimiter,
                                                                  std::size_t limit = default_limit) {
    return async_run(detail::until_delimiter(std::move(delimiter), limit));
  }

  /// A line, without the line feed at its end, which the last one need not have. A carriage return stays.
  std::optional<std::string> read_line(std::size_t limit = default_limit) { return run(detail::whole_line(limit)); }
  [[nodiscard]] task<std::optional<std::string>> async_read_line(std::size_t limit = default_limit) {
    return async_run(detail::whole_line(limit));
  }

  /// Line by line, to the end.
  [[nodiscard]] generator<std::string> lines(std::size_t limit = default_limit);
  [[nodiscard]] async_generator<std::string> async_lines(std::size_t limit = default_limit);

  // ---- numbers of bytes

  /// So many bytes; if the stream ends before: unexpected_end.
  std::string read_exactly(std::size_t count) { return run(detail::exact_count(count)); }
  void read_exactly(mutable_buffer into) { run(detail::filled_buffer(into)); }
  [[nodiscard]] task<std::string> async_read_exactly(std::size_t count) {
    return async_run(detail::exact_count(count));
  }
  [[nodiscard]] task<> async_read_exactly(mutable_buffer into) { return async_run(detail::filled_buffer(into)); }

  /// All up to the end of the stream.
  std::string read_all(std::size_t limit = SIZE_MAX) { return run(detail::whole_stream(limit)); }
  [[nodiscard]] task<std::string> async_read_all(std::size_t limit = SIZE_MAX) {
    return async_run(detail::whole_stream(limit));
  }

  /// What is in the buffer, or else what the stream gives, up to the size of `into`; 0 at the end.
  std::size_t read_some(mutable_buffer into);
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into);

  /// The next bytes, which stay where they are: so many, or fewer at the end. What it gives lasts until the next verb.
  std::string_view peek(std::size_t count = 1) { return run(detail::look_ahead(count)); }
  [[nodiscard]] task<std::string_view> async_peek(std::size_t count = 1) {
    return async_run(detail::look_ahead(count));
  }

  // ---- what is in the buffer, without waiting

  /// Lasts until the next verb.
  [[nodiscard]] std::string_view buffered() const noexcept { return store_.content(); }
  /// Requires: so much is in the buffer.
  void consume(std::size_t count) noexcept { store_.consume(count); }
  /// Takes the rest, for whoever goes on with the stream.
  [[nodiscard]] std::string take_buffered() { return detail::taken(store_, store_.size()); }

  /// Nothing where the buffer does not hold all of it yet.
  std::optional<std::string> try_read_until(std::string_view delimiter, std::size_t limit = default_limit) {
    return try_run(detail::until_delimiter(delimiter, limit));
  }
  std::optional<std::string> try_read_line(std::size_t limit = default_limit) {
    return try_run(detail::whole_line(limit));
  }
  std::optional<std::string> try_read_exactly(std::size_t count) { return try_run(detail::exact_count(count)); }

  /// Reads from the stream once, into the buffer: with these and `try_read_…` one waits within limits. Each gives what
  /// `read_some` of the stream gives with the same limit.
  template <class... Limit>
  auto fill(Limit const&... limit) {
    return filled(stream_.read_some(room(), limit...));
  }
  auto try_fill() { return filled(stream_.try_read_some(room())); }
  template <class Rep, class Period>
  auto try_fill_for(std::chrono::duration<Rep, Period> const& limit) {
    return filled(stream_.try_read_some_for(room(), limit));
  }
  template <class Clock, class Duration>
  auto try_fill_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return filled(stream_.try_read_some_until(room(), limit));
  }
  [[nodiscard]] task<std::size_t> async_fill() {
    auto const space = room();
    co_return filled(co_await stream_.async_read_some(space));
  }

  /// Closes the stream. What is in the buffer can still be read from there.
  void close() { stream_.close(); }

 private:
  // A half of it also where a part is longer than that: so a long one does not end in tiny pieces.
  mutable_buffer room() { return store_.room(store_.empty() ? ahead_ : std::max<std::size_t>(ahead_ / 2, 1)); }
  std::size_t filled(std::size_t count) noexcept {
    store_.filled(count);
    return count;
  }
  std::optional<std::size_t> filled(std::optional<std::size_t> count) noexcept {
    if (count) store_.filled(*count);
    return count;
  }
  std::size_t given(mutable_buffer into) noexcept {
    auto const count = std::min(into.size(), store_.size());
    if (count != 0) std::memcpy(into.data(), store_.content().data(), count);
    store_.consume(count);
    return count;
  }

  // The two loops: all else about parts is in the plans.
  template <class Plan>
  typename Plan::result run(Plan plan) {
    while (!plan.met(store_.content())) {
      if (fill() == 0) return plan.at_end(store_);
    }
    return plan.take(store_);
  }
  template <class Plan>
  task<typename Plan::result> async_run(Plan plan) {
    if (this_task::cancelled()) throw cancelled();
    while (!plan.met(store_.content())) {
      auto const space = room();
      auto const count = filled(co_await stream_.async_read_some(space));
      if (count == 0) co_return plan.at_end(store_);
    }
    co_return plan.take(store_);
  }
  template <class Plan>
  std::optional<std::string> try_run(Plan plan) {
    if (!plan.met(store_.content())) return std::nullopt;
    return plan.take(store_);
  }

  Stream stream_;
  std::size_t ahead_;
  byte_store store_;
};
template <class Stream>
buffered_reader(Stream&&, std::size_t = 0) -> buffered_reader<Stream>;

template <class Stream>
generator<std::string> buffered_reader<Stream>::lines(std::size_t limit) {
  while (auto line = read_line(limit)) co_yield std::move(*line);
}

template <class Stream>
async_generator<std::string> buffered_reader<Stream>::async_lines(std::size_t limit) {
  while (auto line = co_await async_read_line(limit)) co_yield std::move(*line);
}

template <class Stream>
std::size_t buffered_reader<Stream>::read_some(mutable_buffer into) {
  if (into.empty()) return 0;
  if (store_.empty()) {
    if (into.size() >= ahead_) return stream_.read_some(into);
    fill();
  }
  return given(into);
}

template <class Stream>
task<std::size_t> buffered_reader<Stream>::async_read_some(mutable_buffer into) {
  if (this_task::cancelled()) throw cancelled();
  if (store_.empty() && !into.empty()) {
    if (into.size() >= ahead_) co_return co_await stream_.async_read_some(into);
    auto const space = room();
    filled(co_await stream_.async_read_some(space));
  }
  co_return given(into);
}

}  // namespace concur::inline CONCUR_ABI
