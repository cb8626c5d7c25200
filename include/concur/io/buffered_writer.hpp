// SPDX-License-Identifier: BSL-1.0
//
// Collects what is written, and writes it to a stream of bytes in larger pieces. Python's StreamWriter, whose write and
// drain are one here.
//
//     concur::buffered_writer writer(connection);              // or std::move(connection): then it has the stream
//     for (auto& each : records) co_await writer.async_write(each.text());
//     co_await writer.async_flush();
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_store.hpp>
#include <concur/io/byte_stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// Has a stream, or refers to one: `buffered_writer<tcp_stream&>`. Blocking verbs need a stream with `write_some`,
/// those for coroutines one with `async_write_some`.
///
/// A write is taken into the buffer whole, or not at all: that waits only while as much as the high-water mark is in
/// there, and then until all of that was written. So the buffer may hold the mark and one write more; what is much
/// larger than that is better flushed past it and written to the stream itself. No byte is lost or written twice: what
/// a flush that was cancelled or that throws has not written is still in the buffer.
///
/// The destructor does not write, as it could neither wait nor say what went wrong: flush before, or use `with`, which
/// closes it by `async_close`. One writes at a time, and it must not be moved meanwhile.
template <class Stream>
class buffered_writer {
 public:
  explicit buffered_writer(Stream stream, std::size_t high_water = 64 * 1024)
      : stream_(static_cast<Stream&&>(stream)), high_water_(std::max<std::size_t>(high_water, 1)) {}

  [[nodiscard]] std::remove_reference_t<Stream>& stream() noexcept { return stream_; }

  /// How much is in the buffer.
  [[nodiscard]] std::size_t buffered() const noexcept { return store_.size(); }
  [[nodiscard]] std::size_t high_water() const noexcept { return high_water_; }

  /// Throw what the stream throws, std::bad_alloc, and `cancelled`.
  void write(const_buffer from) {
    if (is_full()) flush();
    store_.append(from);
  }
  /// Returns false when a stop was requested first; then nothing of it was taken.
  bool write(const_buffer from, os::stop_token const& stop) { return taken_if(!is_full() || flush(stop), from); }
  /// The same when the buffer is full.
  bool try_write(const_buffer from) { return taken_if(!is_full(), from); }
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return taken_if(!is_full() || try_flush_for(limit), from);
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return taken_if(!is_full() || try_flush_until(limit), from);
  }
  [[nodiscard]] task<> async_write(const_buffer from) {
    if (is_full()) {
      co_await async_flush();
    } else if (this_task::cancelled()) {
      throw cancelled();
    }
    store_.append(from);
  }

  /// Writes all that is in the buffer.
  void flush() {
    while (!store_.empty()) store_.consume(stream_.write_some(store_.content()));
  }
  /// Returns false when a stop was requested, or the limit reached, first.
  bool flush(os::stop_token const& stop) {
    return flush_by([&](const_buffer rest) { return stream_.write_some(rest, stop); });
  }
  template <class Rep, class Period>
  bool try_flush_for(std::chrono::duration<Rep, Period> const& limit) {
    return try_flush_until(deadline_after(limit));
  }
  template <class Clock, class Duration>
  bool try_flush_until(std::chrono::time_point<Clock, Duration> const& limit) {
    return flush_by([&](const_buffer rest) { return stream_.try_write_some_until(rest, limit); });
  }
  [[nodiscard]] task<> async_flush() {
    if (this_task::cancelled()) throw cancelled();
    while (!store_.empty()) {
      const_buffer const rest(store_.content());
      store_.consume(co_await stream_.async_write_some(rest));
    }
  }

  /// Flushes, and closes the stream, also if that throws.
  void close() {
    closing const at_end(stream_);
    flush();
  }
  [[nodiscard]] task<> async_close() {
    closing const at_end(stream_);
    co_await async_flush();
  }

 private:
  class closing {
   public:
    explicit closing(std::remove_reference_t<Stream>& stream) noexcept : stream_(stream) {}
    closing(closing const&) = delete;
    closing& operator=(closing const&) = delete;
    ~closing() { stream_.close(); }

   private:
    std::remove_reference_t<Stream>& stream_;
  };

  bool is_full() const noexcept { return store_.size() >= high_water_; }
  bool taken_if(bool room, const_buffer from) {
    if (room) store_.append(from);
    return room;
  }
  template <class WriteSome>
  bool flush_by(WriteSome write_some) {
    while (!store_.empty()) {
      auto const count = write_some(const_buffer(store_.content()));
      if (!count) return false;
      store_.consume(*count);
    }
    return true;
  }

  Stream stream_;
  std::size_t high_water_;
  byte_store store_;
};
template <class Stream>
buffered_writer(Stream&&, std::size_t = 0) -> buffered_writer<Stream>;

}  // namespace concur::inline CONCUR_ABI
