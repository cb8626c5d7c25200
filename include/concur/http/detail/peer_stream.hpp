// SPDX-License-Identifier: BSL-1.0
//
// The stream to a client with its buffer for reading, whose waits are limited, and whose errors are told from those of
// handlers.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/core/awaiter.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/time_limit.hpp>
#include <concur/core/wait_operation.hpp>
#include <concur/coro/foreign_await.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/http/detail/wait_watch.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/byte_store.hpp>
#include <concur/io/byte_stream.hpp>

#include <cerrno>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Once one of its verbs has thrown std::system_error it is broken. Of one task.
template <class Stream>
class peer_stream {
 public:
  /// How much of an idle client's memory is for reading. What is longer, as the heads of browsers are, takes more,
  /// until it has been used.
  static constexpr std::size_t read_ahead = 512;

  /// A write may take so long until it moves something.
  peer_stream(Stream stream, std::chrono::nanoseconds write_timeout)
      : stream_(std::move(stream)), write_timeout_(write_timeout) {}

  bool broken() const noexcept { return broken_; }
  void break_off() noexcept { broken_ = true; }
  /// The same, and the client will not take it for the end: over TCP it gets a reset; TLS says so when it is the end.
  void abort() noexcept {
    broken_ = true;
    if constexpr (requires { stream_.abort(); }) stream_.abort();
  }
  wait_watch& watch() noexcept { return watch_; }

  // ---- what was read and is not used yet

  std::string_view buffered() const noexcept { return store_.content(); }
  /// What was consumed stays where it is until more is read.
  void consume(std::size_t count) noexcept { store_.consume(count); }
  /// Gives memory back, before a long wait. Requires: nothing is buffered.
  void shrink() noexcept {
    if (store_.capacity() > read_ahead) store_ = byte_store();
  }

  // ---- for co_await: each makes one call of the stream, and gives its result, or nothing if the limit was reached

  /// Reads more. `ends_at_stop`: as if that were the limit. Throws std::bad_alloc.
  auto fill(time_limit limit, bool ends_at_stop = false) {
    auto const space = store_.room(store_.capacity() == 0 ? read_ahead : read_ahead / 2);
    auto const verb = [this, space] { return stream_.async_read_some(space); };
    return operation<decltype(verb())>(*this, verb, limit, ends_at_stop, &store_);
  }
  /// Requires: nothing is buffered.
  auto read_past_buffer(mutable_buffer into, time_limit limit) {
    auto const verb = [this, into] { return stream_.async_read_some(into); };
    return operation<decltype(verb())>(*this, verb, limit);
  }
  auto write_some(std::string_view from) {
    const_buffer const bytes(from);
    auto const verb = [this, bytes] { return stream_.async_write_some(bytes); };
    return operation<decltype(verb())>(*this, verb, time_limit::after(write_timeout_));
  }

  // ---- other verbs

  /// Writes what can be written without waiting, where the stream is a descriptor, and returns how much that was.
  std::size_t write_now(std::string_view from) {
    if constexpr (std::derived_from<Stream, byte_stream>) {
      try {
        return stream_.try_write_some(const_buffer(from)).value_or(0);
      } catch (std::system_error const&) {
        broken_ = true;
        throw;
      }
    } else {
      return 0;
    }
  }
  task<> write(std::string_view from) {
    while (!from.empty()) from.remove_prefix(written(co_await write_some(from)));
  }
  /// How much a `write_some` has written; throws if that took too long.
  std::size_t written(std::optional<std::size_t> count) {
    if (count) [[likely]]
      return *count;
    broken_ = true;
    throw std::system_error(ETIMEDOUT, std::generic_category(), "writing an answer");
  }

  task<> end_writing() {
    try {
      if constexpr (requires { stream_.async_shutdown_write(); }) {
        co_await move_on_after(write_timeout_, stream_.async_shutdown_write());
      } else {
        stream_.shutdown_write();
      }
    } catch (std::system_error const&) {
      broken_ = true;
      throw;
    }
    co_return;
  }

 private:
  template <class Verb>
  class operation;

  Stream stream_;
  byte_store store_;
  std::chrono::nanoseconds write_timeout_;
  bool broken_ = false;
  wait_watch watch_;
};

/// `Awaited` is what the verb of the stream gives.
template <class Stream>
template <class Awaited>
class [[nodiscard]] peer_stream<Stream>::operation {
  template <class Verb>
  static auto begun(peer_stream& peer, Verb const& verb) {
    try {
      if constexpr (requires(Awaited gives) { std::move(gives).operator co_await(); }) {
        return verb().operator co_await();
      } else if constexpr (takes_part<Awaited>) {
        return verb();
      } else {
        return foreign_await<Awaited>(verb);
      }
    } catch (std::system_error const&) {
      peer.broken_ = true;
      throw;
    }
  }
  using awaiter = decltype(begun(std::declval<peer_stream&>(), std::declval<Awaited (*)()>()));
  // What only notes that the task waits need not be watched before it does: then what ends at once costs nothing.
  static constexpr bool begins_later = std::derived_from<awaiter, wait_operation>;

 public:
  using context_aware = void;

  template <class Verb>
  operation(peer_stream& peer, Verb const& verb, time_limit limit, bool ends_at_stop = false,
            byte_store* filled = nullptr)
      : awaiter_(begun(peer, verb)), peer_(peer), limit_(limit), filled_(filled), ends_at_stop_(ends_at_stop) {}
  operation(operation const&) = delete;
  operation& operator=(operation const&) = delete;

  bool await_ready() { return awaiter_.await_ready(); }

  template <promise_with_context Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    auto& watch = peer_.watch_;
    if constexpr (!begins_later) enter(handle.promise().context());
    if (!suspends(handle)) return false;
    if constexpr (begins_later) enter(handle.promise().context());
    watch.suspended(limit_, ends_at_stop_);
    return true;
  }

  std::optional<std::size_t> await_resume() {
    bool const gave_up = entered_ && peer_.watch_.leave();
    try {
      std::size_t const count = awaiter_.await_resume();
      if (filled_ != nullptr) filled_->filled(count);
      return count;
    } catch (cancelled const&) {
      if (gave_up) return std::nullopt;
      throw;
    } catch (std::system_error const&) {
      peer_.broken_ = true;
      throw;
    }
  }

 private:
  void enter(task_context& task) noexcept {
    peer_.watch_.enter(task);
    entered_ = true;
  }
  template <class Promise>
  bool suspends(std::coroutine_handle<Promise> handle) {
    if constexpr (std::is_void_v<decltype(awaiter_.await_suspend(handle))>) {
      awaiter_.await_suspend(handle);
      return true;
    } else {
      return awaiter_.await_suspend(handle);
    }
  }

  awaiter awaiter_;
  peer_stream& peer_;
  time_limit limit_;
  byte_store* filled_;
  bool ends_at_stop_;
  bool entered_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
