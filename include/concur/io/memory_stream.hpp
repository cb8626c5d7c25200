// SPDX-License-Identifier: BSL-1.0
//
// Two streams that are connected in memory, for tests of what is written over streams: in pieces of any size, with
// errors and ends where one wants them, and in virtual time if the loop has that.
//
//     auto [client, server] = concur::make_memory_streams(concur::memory_stream_options().most_per_read(1));
//     server.fail_reads(std::errc::connection_reset, 100);      // after a hundred bytes
//     auto serving = spawn(serve(server));
//     co_await client.async_write("GET / HTTP/1.1\r\n");
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/detail/memory_channel.hpp>
#include <concur/io/memory_stream_options.hpp>
#include <concur/io/move_all.hpp>
#include <concur/sync/mutex.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI {

struct memory_stream_ends;

/// One of two ends. Its verbs are those of byte_stream and mean the same; but it belongs to no loop: the two ends may
/// be used on different threads, by threads and coroutines of any executor. One reader and one writer of each end at a
/// time. May be moved, and closed, while somebody waits. What a coroutine awaits throws std::bad_alloc when it is
/// called, and the blocking verbs do not allocate.
class memory_stream {
 public:
  /// Closed.
  memory_stream() noexcept = default;
  memory_stream(memory_stream&&) noexcept = default;
  memory_stream& operator=(memory_stream&& other) noexcept;
  ~memory_stream() { close(); }

  [[nodiscard]] bool is_open() const noexcept { return in_ != nullptr; }
  /// The other end reads what is on its way, and then the end. Who waits here gets a std::system_error
  /// (operation_canceled).
  void close() noexcept;
  /// Nothing more will be written: the other end reads the end of the stream. Reading goes on.
  void shutdown_write() noexcept;

  // ---- what is to happen at this end. May be called again, instead of what was planned before.

  /// So many more bytes can be read; from then on each read fails, or finds the end.
  void fail_reads(std::errc with, std::uint64_t after = 0) { plan_read(after, static_cast<int>(with)); }
  void end_reads(std::uint64_t after = 0) { plan_read(after, 0); }
  /// So many more bytes can be written; from then on each write fails.
  void fail_writes(std::errc with, std::uint64_t after = 0);

  // ---- reading

  std::size_t read_some(mutable_buffer into) { return *reading(into, detail::without_limit()); }
  std::optional<std::size_t> read_some(mutable_buffer into, os::stop_token const& stop) {
    return reading(into, detail::until_stopped(stop));
  }
  std::optional<std::size_t> try_read_some(mutable_buffer into) { return reading(into, detail::not_at_all()); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_read_some_for(mutable_buffer into, std::chrono::duration<Rep, Period> const& limit) {
    return reading(into, detail::until(deadline_after(limit)));
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_read_some_until(mutable_buffer into,
                                                 std::chrono::time_point<Clock, Duration> const& limit) {
    return reading(into, detail::until(limit));
  }
  [[nodiscard]] task<std::size_t> async_read_some(mutable_buffer into) {
    return read_once(opened(in_, "reading a stream"), options_, next_turn(reads_), into);
  }
  std::size_t read(mutable_buffer into);
  [[nodiscard]] task<std::size_t> async_read(mutable_buffer into) {
    auto read = [from = opened(in_, "reading a stream"), options = options_, turn = next_turn(reads_),
                 turns = 0u](mutable_buffer rest) mutable {
      return read_once(from, options, std::exchange(turn, next_turn(turns)), rest);
    };
    return async_read_all_by(into, std::move(read));
  }

  // ---- writing

  std::size_t write_some(const_buffer from) { return *writing(from, detail::without_limit()); }
  std::optional<std::size_t> write_some(const_buffer from, os::stop_token const& stop) {
    return writing(from, detail::until_stopped(stop));
  }
  std::optional<std::size_t> try_write_some(const_buffer from) { return writing(from, detail::not_at_all()); }
  template <class Rep, class Period>
  std::optional<std::size_t> try_write_some_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return writing(from, detail::until(deadline_after(limit)));
  }
  template <class Clock, class Duration>
  std::optional<std::size_t> try_write_some_until(const_buffer from,
                                                  std::chrono::time_point<Clock, Duration> const& limit) {
    return writing(from, detail::until(limit));
  }
  [[nodiscard]] task<std::size_t> async_write_some(const_buffer from) {
    return write_once(opened(out_, "writing a stream"), options_, next_turn(writes_), from);
  }
  void write(const_buffer from) { write_all(from, detail::without_limit()); }
  bool write(const_buffer from, os::stop_token const& stop) { return write_all(from, detail::until_stopped(stop)); }
  template <class Rep, class Period>
  bool try_write_for(const_buffer from, std::chrono::duration<Rep, Period> const& limit) {
    return write_all(from, detail::until(deadline_after(limit)));
  }
  template <class Clock, class Duration>
  bool try_write_until(const_buffer from, std::chrono::time_point<Clock, Duration> const& limit) {
    return write_all(from, detail::until(limit));
  }
  [[nodiscard]] task<> async_write(const_buffer from) {
    auto write = [into = opened(out_, "writing a stream"), options = options_, turn = next_turn(writes_),
                  turns = 0u](const_buffer rest) mutable {
      return write_once(into, options, std::exchange(turn, next_turn(turns)), rest);
    };
    return async_write_all_by(from, std::move(write));
  }

 private:
  friend memory_stream_ends make_memory_streams(memory_stream_options const& options);
  using channel = std::shared_ptr<detail::memory_channel>;
  using lock = std::unique_lock<mutex>;

  memory_stream(channel in, channel out, memory_stream_options const& options) noexcept
      : in_(std::move(in)), out_(std::move(out)), options_(options) {}

  static channel const& opened(channel const& which, char const* what) {
    if (!which) throw std::system_error(EBADF, std::generic_category(), what);
    return which;
  }
  // Whether it is the turn of others: so that who never has to wait starves nobody.
  static bool next_turn(unsigned& count) noexcept { return ++count % 32 == 0; }

  template <class Wait>
  std::optional<std::size_t> reading(mutable_buffer into, Wait wait);
  template <class Wait>
  std::optional<std::size_t> writing(const_buffer from, Wait wait);
  template <class Wait>
  bool write_all(const_buffer from, Wait wait);
  void plan_read(std::uint64_t after, int error);

  static task<> give_way(unsigned suspensions, bool others_turn);
  static task<std::size_t> read_once(channel from, memory_stream_options options, bool turn, mutable_buffer into);
  static task<std::size_t> write_once(channel into, memory_stream_options options, bool turn, const_buffer from);

  channel in_;
  channel out_;
  memory_stream_options options_;
  unsigned reads_ = 0;
  unsigned writes_ = 0;
};

/// Both.
struct memory_stream_ends {
  memory_stream_ends(memory_stream one, memory_stream other) noexcept
      : first(std::move(one)), second(std::move(other)) {}
  memory_stream first;
  memory_stream second;
};

/// Two ends: what is written into one is read from the other. Throws std::bad_alloc.
[[nodiscard]] inline memory_stream_ends make_memory_streams(
    memory_stream_options const& options = memory_stream_options()) {
  auto there = std::make_shared<detail::memory_channel>(options.capacity());
  auto back = std::make_shared<detail::memory_channel>(options.capacity());
  return {memory_stream(back, there, options), memory_stream(there, back, options)};
}

inline memory_stream& memory_stream::operator=(memory_stream&& other) noexcept {
  if (this == &other) return *this;
  close();
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  options_ = other.options_;
  return *this;
}

inline void memory_stream::close() noexcept {
  if (!is_open()) return;
  auto const in = std::move(in_);
  auto const out = std::move(out_);
  {
    lock const held(in->lock);
    in->close_reader();
    in->changed.notify_all();
  }
  lock const held(out->lock);
  out->close_writer();
  out->changed.notify_all();
}

inline void memory_stream::shutdown_write() noexcept {
  if (!is_open()) return;
  lock const held(out_->lock);
  out_->end_writing();
  out_->changed.notify_all();
}

inline void memory_stream::plan_read(std::uint64_t after, int error) {
  auto const& from = opened(in_, "reading a stream");
  lock const held(from->lock);
  from->read_fault.set(after, error);
  from->changed.notify_all();
}

inline void memory_stream::fail_writes(std::errc with, std::uint64_t after) {
  auto const& into = opened(out_, "writing a stream");
  lock const held(into->lock);
  into->write_fault.set(after, static_cast<int>(with));
  into->changed.notify_all();
}

template <class Wait>
std::optional<std::size_t> memory_stream::reading(mutable_buffer into, Wait wait) {
  auto const from = opened(in_, "reading a stream");
  if (into.empty()) return 0;
  lock held(from->lock);
  if (!wait(from->changed, held, [&] { return from->can_read(); })) return std::nullopt;
  auto const count = from->take(into, options_.most_per_read());
  from->changed.notify_all();
  return count;
}

template <class Wait>
std::optional<std::size_t> memory_stream::writing(const_buffer from, Wait wait) {
  auto const into = opened(out_, "writing a stream");
  if (from.empty()) return 0;
  lock held(into->lock);
  if (!wait(into->changed, held, [&] { return into->can_write(); })) return std::nullopt;
  auto const count = into->put(from, options_.most_per_write());
  into->changed.notify_all();
  return count;
}

inline std::size_t memory_stream::read(mutable_buffer into) {
  return read_all_by(into, [this](mutable_buffer rest) { return read_some(rest); });
}

template <class Wait>
bool memory_stream::write_all(const_buffer from, Wait wait) {
  return write_all_by(from, [&](const_buffer rest) { return writing(rest, wait); });
}

inline task<> memory_stream::give_way(unsigned suspensions, bool others_turn) {
  for (unsigned i = 0; i < suspensions; ++i) co_await yield();
  if (others_turn) co_await yield();
}

inline task<std::size_t> memory_stream::read_once(channel from, memory_stream_options options, bool turn,
                                                  mutable_buffer into) {
  co_await give_way(options.suspensions(), turn);
  if (into.empty()) co_return std::size_t{0};
  auto held = co_await from->lock.async_lock();
  auto const ready = [&from] { return from->can_read(); };
  co_await from->changed.async_wait(held, ready);
  auto const count = from->take(into, options.most_per_read());
  from->changed.notify_all();
  co_return count;
}

inline task<std::size_t> memory_stream::write_once(channel into, memory_stream_options options, bool turn,
                                                   const_buffer from) {
  co_await give_way(options.suspensions(), turn);
  if (from.empty()) co_return std::size_t{0};
  auto held = co_await into->lock.async_lock();
  auto const ready = [&into] { return into->can_write(); };
  co_await into->changed.async_wait(held, ready);
  auto const count = into->put(from, options.most_per_write());
  into->changed.notify_all();
  co_return count;
}

}  // namespace concur::inline CONCUR_ABI
