// SPDX-License-Identifier: BSL-1.0
//
// The stream to a client, whose errors are told from those of handlers.
#pragma once

#include <concur/core/abi.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/io/buffer.hpp>
#include <concur/io/buffered_reader.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Once one of its verbs has thrown std::system_error it is broken. Of one task.
template <class Stream>
class peer_stream {
 public:
  /// How much of an idle client's memory is for reading.
  static constexpr std::size_t read_ahead = 2 * 1024;

  /// A write may take so long until it moves something.
  peer_stream(Stream stream, std::chrono::nanoseconds write_timeout)
      : reader_(std::move(stream), read_ahead), write_timeout_(write_timeout) {}

  bool broken() const noexcept { return broken_; }
  void break_off() noexcept { broken_ = true; }

  /// For what it holds; only this object fills it.
  buffered_reader<Stream>& reader() noexcept { return reader_; }

  task<std::size_t> fill() {
    try {
      co_return co_await reader_.async_fill();
    } catch (std::system_error const&) {
      broken_ = true;
      throw;
    }
  }

  /// Requires: the buffer is empty.
  task<std::size_t> read_past_buffer(mutable_buffer into) {
    try {
      co_return co_await reader_.stream().async_read_some(into);
    } catch (std::system_error const&) {
      broken_ = true;
      throw;
    }
  }

  task<> write(std::string_view from) {
    try {
      while (!from.empty()) {
        const_buffer const rest(from);
        auto const count = co_await move_on_after(write_timeout_, reader_.stream().async_write_some(rest));
        if (!count) throw std::system_error(ETIMEDOUT, std::generic_category(), "writing an answer");
        from.remove_prefix(*count);
      }
    } catch (std::system_error const&) {
      broken_ = true;
      throw;
    }
  }

  task<> end_writing() {
    try {
      if constexpr (requires { reader_.stream().async_shutdown_write(); }) {
        co_await move_on_after(write_timeout_, reader_.stream().async_shutdown_write());
      } else {
        reader_.stream().shutdown_write();
      }
    } catch (std::system_error const&) {
      broken_ = true;
      throw;
    }
    co_return;
  }

 private:
  buffered_reader<Stream> reader_;
  std::chrono::nanoseconds write_timeout_;
  bool broken_ = false;
};

}  // namespace concur::inline CONCUR_ABI::detail
