// SPDX-License-Identifier: BSL-1.0
//
// Standard input, output and error as streams. Python's sys.stdin.buffer and its fellows, for coroutines too.
//
//     concur::buffered_reader lines(concur::standard_input());
//     while (auto line = co_await lines.async_read_line()) co_await concur::standard_output().async_write(*line +
//     "\n");
//
// The same without `async_` and `co_await` blocks the calling thread.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/detail/file_work.hpp>
#include <concur/io/detail/shared_descriptor.hpp>
#include <concur/io/move_all.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/file_call.hpp>
#include <concur/loop/readiness.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace concur::inline CONCUR_ABI {

/// One of the three: a number, which it neither owns nor closes. Copies stand for the same.
///
/// Other processes share what they stand for: the shell, those in the same pipeline. So it is not made non-blocking,
/// which would be so for all of them and stay so (and break `cat` in the same terminal): a verb waits until something
/// can be read or written, and then reads what is there, or writes no more than there is room for whenever there is
/// any. Only if somebody else takes that bit in between, it has to wait after all, in the system and with its thread;
/// not so with sockets, nor when it reads from a pipe. Files, for which one cannot wait, are read and written for
/// coroutines by other threads, as `file` does.
///
/// Verbs as of byte_stream, and they throw the same. It belongs to no loop; coroutines need one that runs. One reader
/// and one writer at a time. Nothing of what the standard library keeps in its own buffers (stdio, iostreams) is seen
/// here: flush those before.
class standard_stream {
 public:
  /// Any descriptor that is to be used like that, and stays its owner's.
  explicit standard_stream(int fd) noexcept : shared_(fd) {}

  [[nodiscard]] int fd() const noexcept { return shared_.fd(); }
  /// Whether it is a terminal.
  [[nodiscard]] bool is_terminal() const noexcept { return ::isatty(fd()) == 1; }

  // ---- reading

  std::size_t read_some(mutable_buffer into) { return *reading(into, {}); }
  std::optional<std::size_t> read_some(mutable_buffer into, os::stop_token const& stop) {
    return reading(into, {.stop = &stop});
  }
  std::optional<std::size_t> try_read_some(mutable_buffer into) { return reading(into, {.deadline = at_once}); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_read_some_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return reading(into, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_read_some_until(mutable_buffer into,
                                                 std::chrono::time_point<Clock, Duration> const& limit) {
    return reading(into, limit_at(limit));
  }
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) {
    return read_once(shared_, habits_.others_turn(), into);
  }
  std::size_t read(mutable_buffer into) {
    return read_all_by(into, [this](mutable_buffer rest) { return read_some(rest); });
  }
  [[nodiscard]] task<std::size_t> async_read(mutable_buffer into) {
    auto const read = [shared = shared_, turn = habits_.others_turn(), later = habits()](mutable_buffer rest) mutable {
      return read_once(shared, std::exchange(turn, later.others_turn()), rest);
    };
    return async_read_all_by(into, read);
  }

  // ---- writing

  std::size_t write_some(const_buffer from) { return *writing(from, {}); }
  std::optional<std::size_t> write_some(const_buffer from, os::stop_token const& stop) {
    return writing(from, {.stop = &stop});
  }
  std::optional<std::size_t> try_write_some(const_buffer from) { return writing(from, {.deadline = at_once}); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_write_some_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return writing(from, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_write_some_until(const_buffer from,
                                                  std::chrono::time_point<Clock, Duration> const& limit) {
    return writing(from, limit_at(limit));
  }
  [[nodiscard]] task<std::size_t> async_write_some(const_buffer from) {
    return write_once(shared_, habits_.others_turn(), from);
  }

  void write(const_buffer from) { write_all(from, {}); }
  /// Return false when a stop was requested, or the limit reached, first; then a part may have been written.
  bool write(const_buffer from, os::stop_token const& stop) { return write_all(from, {.stop = &stop}); }
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return write_all(from, {.deadline = deadline_after(limit)});
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return write_all(from, limit_at(limit));
  }
  [[nodiscard]] task<> async_write(const_buffer from) {
    auto const write = [shared = shared_, turn = habits_.others_turn(), later = habits()](const_buffer rest) mutable {
      return write_once(shared, std::exchange(turn, later.others_turn()), rest);
    };
    return async_write_all_by(from, write);
  }

 private:
  using shared_descriptor = detail::shared_descriptor;
  using habits = detail::file_habits;
  static constexpr char const* when_reading = "reading a standard stream";
  static constexpr char const* when_writing = "writing a standard stream";

  static std::size_t checked(std::int64_t result, char const* what) {
    if (result < 0) [[unlikely]]
      throw std::system_error(static_cast<int>(-result), std::generic_category(), what);
    return static_cast<std::size_t>(result);
  }
  std::optional<std::size_t> reading(mutable_buffer into, wait_limit const& limit) {
    if (into.empty() || fd() < 0) return checked(shared_.read(into), when_reading);
    for (;;) {
      auto const why = wait_for_descriptor(fd(), POLLIN, limit);
      if (why != wake_reason::granted) return std::nullopt;
      auto const result = shared_.read(into);
      if (result != -EAGAIN) return checked(result, when_reading);
    }
  }
  std::optional<std::size_t> writing(const_buffer from, wait_limit const& limit) {
    if (from.empty() || fd() < 0) return checked(shared_.write(from), when_writing);
    for (;;) {
      auto const why = wait_for_descriptor(fd(), POLLOUT, limit);
      if (why != wake_reason::granted) return std::nullopt;
      auto const result = shared_.write(from);
      if (result != -EAGAIN) return checked(result, when_writing);
    }
  }
  bool write_all(const_buffer from, wait_limit const& limit) {
    return write_all_by(from, [&](const_buffer rest) { return writing(rest, limit); });
  }

  // Of no object, which may be a temporary.
  static task<std::size_t> read_once(shared_descriptor shared, bool others_turn, mutable_buffer into);
  static task<std::size_t> write_once(shared_descriptor shared, bool others_turn, const_buffer from);

  shared_descriptor shared_;
  detail::file_habits habits_;
};

[[nodiscard]] inline standard_stream standard_input() noexcept { return standard_stream(STDIN_FILENO); }
[[nodiscard]] inline standard_stream standard_output() noexcept { return standard_stream(STDOUT_FILENO); }
[[nodiscard]] inline standard_stream standard_error() noexcept { return standard_stream(STDERR_FILENO); }

inline task<std::size_t> standard_stream::read_once(shared_descriptor shared, bool others_turn, mutable_buffer into) {
  if (others_turn) co_await yield();
  if (this_task::cancelled()) throw cancelled();
  std::int64_t result = 0;
  if (shared.is_file()) {
    detail::file_habits habits;
    auto const call = file_call::read(shared.fd(), into.data(), into.size(), file_call::here);
    result = co_await detail::async_perform(call, habits);
  } else {
    do {
      if (!into.empty()) co_await wait_readable(shared.fd());
      result = shared.read(into);
    } while (result == -EAGAIN);
  }
  co_return checked(result, when_reading);
}

inline task<std::size_t> standard_stream::write_once(shared_descriptor shared, bool others_turn, const_buffer from) {
  if (others_turn) co_await yield();
  if (this_task::cancelled()) throw cancelled();
  std::int64_t result = 0;
  if (shared.is_file()) {
    detail::file_habits habits;
    auto const call = file_call::write(shared.fd(), from.data(), from.size(), file_call::here);
    result = co_await detail::async_perform(call, habits);
  } else {
    do {
      if (!from.empty()) co_await wait_writable(shared.fd());
      result = shared.write(from);
    } while (result == -EAGAIN);
  }
  co_return checked(result, when_writing);
}

}  // namespace concur::inline CONCUR_ABI
