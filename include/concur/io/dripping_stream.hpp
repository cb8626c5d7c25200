// SPDX-License-Identifier: BSL-1.0
//
// A stream that moves one byte at a time, for tests: whatever is written over streams has to bear that.
//
//     concur::dripping_stream slow(std::move(connection));
//     auto const count = co_await slow.async_read_some(space);    // 1
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_stream.hpp>
#include <concur/io/move_all.hpp>

#include <chrono>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Has a stream, or refers to one: `dripping_stream<tcp_stream&>`. Its verbs are those of the stream, as far as that
/// has them, except that one `…_some` moves one byte at the most, and others do so again and again. Must not be moved
/// while a coroutine waits in `async_read` or `async_write`; all else as the stream.
template <class Stream>
class dripping_stream {
 public:
  explicit dripping_stream(Stream stream) noexcept : stream_(static_cast<Stream&&>(stream)) {}

  [[nodiscard]] std::remove_reference_t<Stream>& stream() noexcept { return stream_; }

  /// With the limits that the stream takes.
  template <class... Limit>
  auto read_some(mutable_buffer into, Limit const&... limit) {
    return stream_.read_some(one(into), limit...);
  }
  auto try_read_some(mutable_buffer into) { return stream_.try_read_some(one(into)); }
  template <class Rep, class Period>
  auto try_read_some_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return stream_.try_read_some_for(one(into), limit);
  }
  template <class Clock, class Duration>
  auto try_read_some_until(mutable_buffer into, std::chrono::time_point<Clock, Duration> const& limit) {
    return stream_.try_read_some_until(one(into), limit);
  }
  [[nodiscard]] auto async_read_some(mutable_buffer into)
    requires async_byte_source<Stream>
  {
    return stream_.async_read_some(one(into));
  }

  std::size_t read(mutable_buffer into) {
    return read_all_by(into, [this](mutable_buffer rest) { return read_some(rest); });
  }
  [[nodiscard]] task<std::size_t> async_read(mutable_buffer into) {
    return async_read_all_by(into, [this](mutable_buffer rest) { return async_read_some(rest); });
  }

  template <class... Limit>
  auto write_some(const_buffer from, Limit const&... limit) {
    return stream_.write_some(one(from), limit...);
  }
  auto try_write_some(const_buffer from) { return stream_.try_write_some(one(from)); }
  template <class Rep, class Period>
  auto try_write_some_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return stream_.try_write_some_for(one(from), limit);
  }
  template <class Clock, class Duration>
  auto try_write_some_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return stream_.try_write_some_until(one(from), limit);
  }
  [[nodiscard]] auto async_write_some(const_buffer from)
    requires async_byte_sink<Stream>
  {
    return stream_.async_write_some(one(from));
  }

  void write(const_buffer from) {
    write_all_by(from, [this](const_buffer rest) { return write_some(rest); });
  }
  bool write(const_buffer from, os::stop_token const& stop) {
    return write_all_by(from, [&](const_buffer rest) { return write_some(rest, stop); });
  }
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return try_write_until(from, deadline_after(limit));
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return write_all_by(from, [&](const_buffer rest) { return try_write_some_until(rest, limit); });
  }
  [[nodiscard]] task<> async_write(const_buffer from) {
    return async_write_all_by(from, [this](const_buffer rest) { return async_write_some(rest); });
  }

  void shutdown_write() { stream_.shutdown_write(); }
  void close() { stream_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return stream_.is_open(); }

 private:
  static mutable_buffer one(mutable_buffer of) noexcept { return {of.data(), of.empty() ? 0u : 1u}; }
  static const_buffer one(const_buffer of) noexcept { return {of.data(), of.empty() ? 0u : 1u}; }

  Stream stream_;
};
template <class Stream>
dripping_stream(Stream&&) -> dripping_stream<Stream>;

}  // namespace concur::inline CONCUR_ABI
