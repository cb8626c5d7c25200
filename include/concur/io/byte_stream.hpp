// SPDX-License-Identifier: BSL-1.0
//
// The verbs of a stream of bytes over a descriptor: pipes, TCP and Unix sockets.
//
//     std::array<char, 4096> space;
//     while (auto const count = co_await stream.async_read_some(space)) {    // 0: the other side has finished
//       co_await stream.async_write(std::string_view(space.data(), count));
//     }
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/awaiter.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/descriptor.hpp>
#include <concur/loop/io_call.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// What can be awaited in a task and gives a T: an awaiter, or a task.
template <class Operation, class T>
concept gives_when_awaited = awaitable<Operation, T> || requires(Operation&& operation) {
  { std::move(operation).operator co_await().await_resume() } -> std::same_as<T>;
};

/// What coroutines need of a stream to read from it, to write into it, and to do both: algorithms over streams take
/// anything that has this. What is cancelled in `async_read_some` or `async_write_some` has not happened.
template <class Stream>
concept async_byte_source = requires(Stream& stream, mutable_buffer into) {
  { stream.async_read_some(into) } -> gives_when_awaited<std::size_t>;
};
template <class Stream>
concept async_byte_sink = requires(Stream& stream, const_buffer from) {
  { stream.async_write_some(from) } -> gives_when_awaited<std::size_t>;
  { stream.async_write(from) } -> gives_when_awaited<void>;
};
template <class Stream>
concept async_byte_stream = async_byte_source<Stream> && async_byte_sink<Stream>;

/// All verbs throw std::system_error. After one that was cancelled, or whose limit was reached, nothing has been read
/// or written, but for `read` and `write`, which may have moved a part; the stream can be used on. A write to a stream
/// whose reader has gone is an error (broken_pipe), never a signal. Buffers of no size are read and written at once.
///
/// Who may call what: see descriptor. A read and a write may wait at the same time.
class byte_stream : public descriptor {
 public:
  byte_stream() noexcept = default;

  // ---- reading

  /// Waits until there is something, and reads what there is, up to the size of the buffer. Returns how many bytes that
  /// were: 0 when the stream has ended.
  std::size_t read_some(mutable_buffer into) { return *moved(reading(into), {}); }
  /// Nothing when a stop was requested first.
  std::optional<std::size_t> read_some(mutable_buffer into, os::stop_token const& stop) {
    return moved(reading(into), {.stop = &stop});
  }
  /// Nothing when it would have to wait.
  std::optional<std::size_t> try_read_some(mutable_buffer into) { return moved(reading(into), {.deadline = at_once}); }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  std::optional<std::size_t> try_read_some_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return moved(reading(into), {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_read_some_until(mutable_buffer into,
                                                 std::chrono::time_point<Clock, Duration> const& limit) {
    return moved(reading(into), limit_at(limit));
  }
  [[nodiscard]] awaitable<std::size_t> auto async_read_some(mutable_buffer into) {
    return async_io(reading(into), read_count());
  }

  /// Reads until the buffer is full or the stream has ended; in that case it returns less than the size of the buffer.
  std::size_t read(mutable_buffer into) { return *moved(reading(into).all(), {}); }
  [[nodiscard]] awaitable<std::size_t> auto async_read(mutable_buffer into) {
    return async_io(reading(into).all(), read_count());
  }

  // ---- writing

  /// Writes all of it.
  void write(const_buffer from) { moved(writing(from).all(), {}); }
  /// Returns false when a stop was requested first; then a part may have been written.
  bool write(const_buffer from, os::stop_token const& stop) {
    return moved(writing(from).all(), {.stop = &stop}).has_value();
  }
  /// The same when the limit was reached first.
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return moved(writing(from).all(), {.deadline = deadline_after(limit)}).has_value();
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return moved(writing(from).all(), limit_at(limit)).has_value();
  }
  [[nodiscard]] awaitable<void> auto async_write(const_buffer from) {
    return async_io(writing(from).all(), write_end());
  }

  /// Waits until there is room, and writes as much as that allows. Returns how many bytes that were.
  std::size_t write_some(const_buffer from) { return *moved(writing(from), {}); }
  /// Nothing when a stop was requested first.
  std::optional<std::size_t> write_some(const_buffer from, os::stop_token const& stop) {
    return moved(writing(from), {.stop = &stop});
  }
  /// Nothing when there is no room.
  std::optional<std::size_t> try_write_some(const_buffer from) { return moved(writing(from), {.deadline = at_once}); }
  /// Nothing when the limit was reached.
  template <class Rep, class Period>
  std::optional<std::size_t> try_write_some_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return moved(writing(from), {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_write_some_until(const_buffer from,
                                                  std::chrono::time_point<Clock, Duration> const& limit) {
    return moved(writing(from), limit_at(limit));
  }
  [[nodiscard]] awaitable<std::size_t> auto async_write_some(const_buffer from) {
    return async_io(writing(from), write_count());
  }

 protected:
  /// Which calls of the system are used: read and write, or those of sockets. Unix sockets are read by `read`: if the
  /// peer passes descriptors along, which nobody asked for, they give less than they have, as TCP sockets never do.
  enum class kind : unsigned char { file, socket, unix_socket };

  /// Takes over a descriptor that does not block.
  byte_stream(unique_fd fd, kind what) noexcept : descriptor(std::move(fd)), kind_(what) {}

 private:
  static std::size_t checked(std::int64_t result, char const* what) {
    if (result < 0) [[unlikely]]
      throw std::system_error(static_cast<int>(-result), std::generic_category(), what);
    return static_cast<std::size_t>(result);
  }
  static constexpr char const* when_reading = "reading a stream";
  static constexpr char const* when_writing = "writing a stream";
  struct read_count {
    std::size_t operator()(std::int64_t result) const { return checked(result, when_reading); }
  };
  struct write_count {
    std::size_t operator()(std::int64_t result) const { return checked(result, when_writing); }
  };
  struct write_end {
    void operator()(std::int64_t result) const { checked(result, when_writing); }
  };

  io_call reading(mutable_buffer into) const noexcept {
    // recv waits also for nothing, read(2) does not.
    return kind_ == kind::socket && !into.empty() ? io_call::receive(fd(), into.data(), into.size())
                                                  : io_call::read(fd(), into.data(), into.size());
  }
  io_call writing(const_buffer from) const noexcept {
    return kind_ == kind::file ? io_call::write(fd(), from.data(), from.size())
                               : io_call::send(fd(), from.data(), from.size());
  }
  std::optional<std::size_t> moved(io_call const& call, wait_limit const& limit) const {
    auto const result = perform_within(call, limit);
    if (!result) return std::nullopt;
    return checked(*result, call.reads() ? when_reading : when_writing);
  }

  kind kind_ = kind::socket;
};

}  // namespace concur::inline CONCUR_ABI
