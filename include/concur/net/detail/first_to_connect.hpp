// SPDX-License-Identifier: BSL-1.0
//
// Connects to one of several endpoints: RFC 8305 (Happy Eyeballs, version 2), section 5. One attempt begins; when it
// fails, or has not succeeded after a while, the next one begins beside it; the first to succeed ends all others.
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/errors.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/coro/task.hpp>
#include <concur/coro/task_group.hpp>
#include <concur/coro/timeout.hpp>
#include <concur/io/wait_for_descriptor.hpp>
#include <concur/loop/io_call.hpp>
#include <concur/net/detail/connect_failures.hpp>
#include <concur/net/endpoint.hpp>
#include <concur/sync/event.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <poll.h>
#include <span>
#include <sys/eventfd.h>
#include <system_error>
#include <utility>
#include <vector>

namespace concur::inline CONCUR_ABI::detail {

/// `connect(endpoint)` gives a task, for each attempt. Throws std::system_error when all of them have failed with one,
/// and every other error as it is. In every case all attempts have ended when it does.
template <class Stream, class Connect>
task<Stream> async_first_to_connect(std::vector<endpoint> order, std::chrono::nanoseconds delay, Connect connect) {
  std::optional<Stream> first;
  connect_failures failures;
  event one_failed;
  auto const attempt = [&](task_group& group, endpoint at) -> task<> {
    try {
      auto made = co_await connect(at);
      if (first) co_return;  // another one has succeeded in the same moment
      first.emplace(std::move(made));
      group.cancel();
    } catch (std::system_error const& error) {
      failures.add(at, error.code());
      one_failed.set();
    }
  };
  auto const attempts = [&](task_group& group) -> task<> {
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i != 0) co_await move_on_after(delay, one_failed.async_wait());
      one_failed.clear();
      group.spawn(attempt, std::ref(group), order[i]);
    }
  };
  try {
    co_await with_group(attempts);
  } catch (cancelled const&) {
    if (!first) throw;  // else it came too late for this call, and strikes at the next wait
  }
  if (!first) failures.throw_all();
  co_return std::move(*first);
}

/// The same for a thread. `Socket(endpoint)` makes a socket, and `call()` gives the call that connects it.
template <class Socket>
class connecting_sockets {
 public:
  connecting_sockets(std::span<endpoint const> order, std::chrono::nanoseconds delay) noexcept
      : order_(order), delay_(delay) {}

  /// The first one that is connected; nothing when the limit was reached.
  std::optional<Socket> first_within(wait_limit const& limit) {
    unique_fd alarm;
    if (limit.stop == nullptr) return first(limit, alarm.get());
    alarm = unique_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!alarm) throw std::system_error(errno, std::generic_category(), "eventfd");
    auto const ring = [&alarm]() noexcept { static_cast<void>(::eventfd_write(alarm.get(), 1)); };
    os::stop_callback<decltype(ring) const&> const on_stop(*limit.stop, ring);
    return first(limit, alarm.get());
  }

 private:
  std::optional<Socket> first(wait_limit const& limit, int alarm) {
    for (auto deadline = limit.deadline;;) {
      if (begin_those_due()) return std::move(connected_);
      if (under_way_.empty()) failures_.throw_all();
      those_.clear();
      for (auto const& each : under_way_) those_.push_back({each.call().fd(), POLLOUT, 0});
      those_.push_back({alarm, POLLIN, 0});
      auto const until = std::min(deadline, begun_ < order_.size() ? next_begins_ : os::never);
      if (poll_until(those_.data(), those_.size(), until)) {
        if (go_on_with_those_ready()) return std::move(connected_);
        if (those_.back().revents != 0) return std::nullopt;
      } else if (until == deadline) {
        if (limit.ask_again != nullptr) deadline = limit.ask_again(limit.when);
        if (limit.ask_again == nullptr || deadline == at_once) return std::nullopt;
      }
    }
  }

  // Returns whether one of them was connected at once.
  bool begin_those_due() {
    while (begun_ < order_.size() && (under_way_.empty() || os::clock::now() >= next_begins_)) {
      auto const& at = order_[begun_++];
      try {
        under_way_.emplace_back(at);
      } catch (std::system_error const& error) {
        failures_.add(at, error.code());
        continue;
      }
      next_begins_ = deadline_after(delay_);
      if (go_on_with(under_way_.size() - 1)) return true;
    }
    return false;
  }

  bool go_on_with_those_ready() {
    for (auto i = under_way_.size(); i-- != 0;) {
      if (those_[i].revents != 0 && go_on_with(i)) return true;
    }
    return false;
  }

  // Returns whether it is connected; one that has failed is gone.
  bool go_on_with(std::size_t which) {
    auto const result = perform(under_way_[which].call());
    if (result == -EAGAIN) return false;
    if (result >= 0) {
      connected_.emplace(std::move(under_way_[which]));
      return true;
    }
    failures_.add(under_way_[which].to(), std::error_code(static_cast<int>(-result), std::generic_category()));
    under_way_.erase(under_way_.begin() + std::ptrdiff_t(which));
    next_begins_ = at_once;
    return false;
  }

  std::span<endpoint const> order_;
  std::chrono::nanoseconds delay_;
  std::size_t begun_ = 0;
  time_point next_begins_ = at_once;
  std::vector<Socket> under_way_;
  std::vector<pollfd> those_;
  std::optional<Socket> connected_;
  connect_failures failures_;
};

}  // namespace concur::inline CONCUR_ABI::detail
