// SPDX-License-Identifier: BSL-1.0
//
// The connections of a server.
#pragma once

#include <concur/core/errors.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/this_task.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/net/socket_listener.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

namespace concur::inline CONCUR_ABI::detail {

/// Of the loop's thread.
template <class Stream, class Handler>
class connections {
 public:
  connections(socket_listener<Stream>& listener, Handler& handler, std::size_t limit) noexcept
      : listener_(listener), handler_(handler), limit_(std::max<std::size_t>(limit, 1)) {
    ended_.set();
  }

  /// Accepts until the listener is closed. Throws what is wrong with the listener.
  task<> accept_into(task_group& group) {
    for (;;) {
      while (count_ >= limit_) co_await next_end();
      std::optional<Stream> accepted;
      bool exhausted = false;
      try {
        accepted = co_await listener_.async_accept();
        group.spawn(serve_one(counted(*this), std::move(*accepted)));
      } catch (std::system_error const& error) {
        if (!listener_.is_open()) co_return;  // closed while this waited, or before
        exhausted = is(error, EMFILE) || is(error, ENFILE) || is(error, ENOBUFS) || is(error, ENOMEM);
        if (!exhausted) throw;
      } catch (std::bad_alloc const&) {
        exhausted = true;
      }
      // The connection waits in the backlog: to ask for it again at once would be to spin.
      if (exhausted) co_await move_on_after(pause, next_end());
    }
  }

  /// Waits until none is left.
  auto all_ended() { return ended_.async_wait(); }

 private:
  static constexpr auto pause = std::chrono::milliseconds(100);

  static bool is(std::system_error const& error, int number) noexcept {
    return error.code() == std::error_code(number, std::generic_category());
  }

  /// One that is served, from the moment when it was accepted.
  class counted {
   public:
    explicit counted(connections& all) noexcept : all_(&all) {
      ++all.count_;
      all.ended_.clear();
    }
    counted(counted&& other) noexcept : all_(std::exchange(other.all_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
      if (all_ == nullptr) return;
      if (--all_->count_ == 0) all_->ended_.set();
      all_->one_ended_.set();
    }

   private:
    connections* all_;
  };

  task<> next_end() {
    one_ended_.clear();
    co_await one_ended_.async_wait();
  }

  task<> serve_one(counted, Stream stream) {
    try {
      co_await handler_(std::move(stream));
    } catch (cancelled const&) {
      if (this_task::cancelled()) throw;
      report();  // somebody else has cancelled what it waited for
    } catch (std::system_error const& error) {
      if (!is(error, ECONNRESET) && !is(error, EPIPE)) report();
    } catch (...) {
      report();
    }
  }
  static void report() noexcept { report_unhandled_error(std::current_exception(), "a connection of a server"); }

  socket_listener<Stream>& listener_;
  Handler& handler_;
  std::size_t const limit_;
  std::size_t count_ = 0;
  event ended_;      // set while there is none
  event one_ended_;  // set by each that ends
};

}  // namespace concur::inline CONCUR_ABI::detail
