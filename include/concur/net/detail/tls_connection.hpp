// SPDX-License-Identifier: BSL-1.0
//
// A TLS engine and the stream beneath it: carries out the steps of the one over the other, for threads and for
// coroutines.
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/yield.hpp>
#include <concur/io/buffer.hpp>
#include <concur/net/detail/tls_engine.hpp>
#include <concur/net/tls_context.hpp>
#include <concur/sync/mutex.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// How long a thread waits: `read`, `write` and `lock` return false when the limit was reached.
class wait_for_good {
 public:
  template <class Stream>
  bool read(Stream& stream, mutable_buffer into, std::size_t& count) const {
    count = stream.read_some(into);
    return true;
  }
  template <class Stream>
  bool write(Stream& stream, const_buffer from, std::size_t& count) const {
    count = stream.write_some(from);
    return true;
  }
  bool lock(mutex& wanted) const {
    wanted.lock();
    return true;
  }
};

class wait_until_stop {
 public:
  explicit wait_until_stop(os::stop_token const& stop) noexcept : stop_(stop) {}
  template <class Stream>
  bool read(Stream& stream, mutable_buffer into, std::size_t& count) const {
    return taken(stream.read_some(into, stop_), count);
  }
  template <class Stream>
  bool write(Stream& stream, const_buffer from, std::size_t& count) const {
    return taken(stream.write_some(from, stop_), count);
  }
  bool lock(mutex& wanted) const { return wanted.lock(stop_); }

  static bool taken(std::optional<std::size_t> const& result, std::size_t& count) noexcept {
    count = result.value_or(0);
    return result.has_value();
  }

 private:
  os::stop_token const& stop_;
};

template <class Clock, class Duration>
class wait_until {
 public:
  explicit wait_until(std::chrono::time_point<Clock, Duration> const& when) noexcept : when_(when) {}
  template <class Stream>
  bool read(Stream& stream, mutable_buffer into, std::size_t& count) const {
    return wait_until_stop::taken(stream.try_read_some_until(into, when_), count);
  }
  template <class Stream>
  bool write(Stream& stream, const_buffer from, std::size_t& count) const {
    return wait_until_stop::taken(stream.try_write_some_until(from, when_), count);
  }
  bool lock(mutex& wanted) const { return wanted.try_lock_until(when_); }

 private:
  std::chrono::time_point<Clock, Duration> const& when_;
};

/// Stays where it is. One may read and one may write at the same time, in coroutines or in threads: either may have to
/// do the other as well. So whoever needs input gets it, unless somebody else has got some meanwhile; and whoever finds
/// output takes it away, unless somebody is at it.
template <class Stream>
class tls_connection {
 public:
  tls_connection(Stream&& stream, tls_context context, std::string_view host, bool as_server)
      : stream_(std::move(stream)), engine_(std::move(context), host, as_server) {}
  tls_connection(tls_connection const&) = delete;
  tls_connection& operator=(tls_connection const&) = delete;

  Stream& stream() noexcept { return stream_; }
  SSL* native_handle() const noexcept { return engine_.native_handle(); }

  // ---- for coroutines

  task<> async_handshake() {
    auto const shake = [](tls_engine& engine) { return engine.handshake(); };
    co_await async_perform(shake);
    co_await async_flush();
  }

  task<std::size_t> async_read_some(mutable_buffer into) {
    std::size_t count = 0;
    if (into.empty()) {
      co_await yield();  // or who reads nothing would starve others
      co_return count;
    }
    auto const read = [into, &count](tls_engine& engine) { return engine.read(into, count); };
    co_await async_perform(read);
    co_return count;
  }

  /// All, or one record of it. What was encrypted counts, also if a cancel comes before it has gone out.
  task<std::size_t> async_write_some(const_buffer from) {
    std::size_t count = 0;
    if (from.empty()) {
      co_await yield();
      co_return count;
    }
    co_await async_flush();
    auto const write = [from, &count](tls_engine& engine) { return engine.write(from, count); };
    co_await async_perform(write);
    try {
      co_await async_flush();
    } catch (cancelled const&) {
    }
    co_return count;
  }

  task<> async_shut_down() {
    co_await async_flush();
    auto const end = [](tls_engine& engine) { return engine.shut_down(); };
    co_await async_perform(end);
    co_await async_flush();
  }

  // ---- for threads; they return false, or nothing, when the limit was reached

  template <class Limit>
  bool handshake(Limit const& limit) {
    return perform([](tls_engine& engine) { return engine.handshake(); }, limit) && flush(limit);
  }

  template <class Limit>
  std::optional<std::size_t> read_some(mutable_buffer into, Limit const& limit) {
    std::size_t count = 0;
    if (into.empty()) return count;
    auto const read = [into, &count](tls_engine& engine) { return engine.read(into, count); };
    if (!perform(read, limit)) return std::nullopt;
    return count;
  }

  template <class Limit>
  std::optional<std::size_t> write_some(const_buffer from, Limit const& limit) {
    std::size_t count = 0;
    if (from.empty()) return count;
    auto const write = [from, &count](tls_engine& engine) { return engine.write(from, count); };
    if (!flush(limit) || !perform(write, limit)) return std::nullopt;
    static_cast<void>(flush(limit));
    return count;
  }

  template <class Limit>
  bool shut_down(Limit const& limit) {
    return flush(limit) && perform([](tls_engine& engine) { return engine.shut_down(); }, limit) && flush(limit);
  }

  /// Says so to the peer, if that can be done without waiting, and closes.
  void close() noexcept {
    if (is_closed_) return;
    try {
      if constexpr (requires(const_buffer none) { stream_.try_write_some_until(none, at_once); }) {
        shut_down(wait_until(at_once));
        discard_input();
      }
    } catch (...) {  // there is nobody to whom it could be said
    }
    is_closed_ = true;
    stream_.close();
  }

 private:
  // A socket that is closed with something unread, as the tickets that nobody asked for, resets the connection, and
  // what has not gone out is lost.
  void discard_input() {
    std::unique_lock const hold(filling_, std::try_to_lock);
    for (int i = 0; hold.owns_lock() && i < 16; ++i) {
      if (stream_.try_read_some_until(engine_.input_room(), at_once).value_or(0) == 0) return;
    }
  }

  void require_open() const {
    if (is_closed_) throw std::system_error(EBADF, std::generic_category(), "a TLS stream that is closed");
  }

  template <class Step>
  tls_step try_step(Step const& step, std::uint64_t& seen) {
    std::lock_guard const hold(protocol_);
    seen = inputs_;
    return step(engine_);
  }
  [[noreturn]] void throw_failure() {
    std::lock_guard const hold(protocol_);
    engine_.throw_failure();
  }
  bool has_output() {
    std::lock_guard const hold(protocol_);
    return engine_.has_output();
  }
  // Null when there is none.
  const_buffer next_output() {
    std::lock_guard const hold(protocol_);
    return engine_.next_output();
  }
  void written(std::size_t count) {
    std::lock_guard const hold(protocol_);
    engine_.written(count);
  }
  bool has_new_input(std::uint64_t seen) {
    std::lock_guard const hold(protocol_);
    return inputs_ != seen;
  }
  void add_input(std::size_t count) {
    std::lock_guard const hold(protocol_);
    engine_.add_input(count);
    ++inputs_;
  }

  // ---- for coroutines

  template <class Step>
  task<> async_perform(Step const& step) {
    require_open();
    if (++in_a_row_ % 32 == 0) {
      co_await yield();  // of many that never have to wait, since a record has many pieces
    } else if (this_task::cancelled()) {
      throw cancelled();
    }
    for (std::uint64_t seen = 0;;) {
      auto const result = try_step(step, seen);
      if (result == tls_step::done) co_return;
      if (result == tls_step::failed) {
        co_await async_say_why();
        throw_failure();
      }
      co_await async_flush_if_nobody_does();
      co_await async_fill(seen);
    }
  }

  task<> async_fill(std::uint64_t seen) {
    auto const hold = co_await filling_.async_lock();
    if (has_new_input(seen)) co_return;
    auto const count = co_await stream_.async_read_some(engine_.input_room());
    add_input(count);
  }

  // The output of others as well: what is encrypted later goes out later.
  task<> async_flush() {
    while (has_output()) {
      auto const hold = co_await flushing_.async_lock();
      co_await async_drain();
    }
  }
  // Whoever holds the lock looks for more when it has been given back.
  task<> async_flush_if_nobody_does() {
    while (has_output()) {
      std::unique_lock const hold(flushing_, std::try_to_lock);
      if (!hold.owns_lock()) co_return;
      co_await async_drain();
    }
  }
  task<> async_drain() {
    for (;;) {
      auto const output = next_output();
      if (output.size() == 0) co_return;
      auto const count = co_await stream_.async_write_some(output);
      written(count);
    }
  }
  // The peer may have gone: why we fail is news for our caller all the same.
  task<> async_say_why() {
    try {
      co_await async_flush_if_nobody_does();
    } catch (std::system_error const&) {
    }
  }

  // ---- for threads: the same, word for word

  template <class Step, class Limit>
  bool perform(Step const& step, Limit const& limit) {
    require_open();
    for (std::uint64_t seen = 0;;) {
      auto const result = try_step(step, seen);
      if (result == tls_step::done) return true;
      if (result == tls_step::failed) {
        say_why(limit);
        throw_failure();
      }
      if (!flush_if_nobody_does(limit) || !fill(seen, limit)) return false;
    }
  }

  template <class Limit>
  bool fill(std::uint64_t seen, Limit const& limit) {
    if (!limit.lock(filling_)) return false;
    std::lock_guard const hold(filling_, std::adopt_lock);
    if (has_new_input(seen)) return true;
    std::size_t count = 0;
    if (!limit.read(stream_, engine_.input_room(), count)) return false;
    add_input(count);
    return true;
  }

  template <class Limit>
  bool flush(Limit const& limit) {
    while (has_output()) {
      if (!limit.lock(flushing_)) return false;
      std::lock_guard const hold(flushing_, std::adopt_lock);
      if (!drain(limit)) return false;
    }
    return true;
  }
  template <class Limit>
  bool flush_if_nobody_does(Limit const& limit) {
    while (has_output()) {
      std::unique_lock const hold(flushing_, std::try_to_lock);
      if (!hold.owns_lock()) return true;
      if (!drain(limit)) return false;
    }
    return true;
  }
  template <class Limit>
  bool drain(Limit const& limit) {
    for (;;) {
      auto const output = next_output();
      if (output.size() == 0) return true;
      std::size_t count = 0;
      if (!limit.write(stream_, output, count)) return false;
      written(count);
    }
  }
  template <class Limit>
  void say_why(Limit const& limit) {
    try {
      flush_if_nobody_does(limit);
    } catch (std::system_error const&) {
    }
  }

  Stream stream_;
  mutex filling_;  // held while the stream is read
  mutex flushing_;  // held while it is written
  mutex protocol_;  // of what follows; never held over a wait
  tls_engine engine_;
  std::uint64_t inputs_ = 0;
  unsigned in_a_row_ = 0;  // of coroutines
  bool is_closed_ = false;  // of the owner
};

}  // namespace concur::inline CONCUR_ABI::detail
