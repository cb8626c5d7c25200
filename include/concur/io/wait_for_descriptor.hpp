// SPDX-License-Identifier: BSL-1.0
//
// How a thread waits for a descriptor.
//
//     while (::recv(fd, …) < 0 && errno == EAGAIN) wait_for_descriptor(fd, POLLIN, {});
#pragma once

#include <concur/core/blocking.hpp>
#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/unique_fd.hpp>
#include <concur/core/waiter.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <poll.h>
#include <span>
#include <sys/eventfd.h>
#include <system_error>

namespace concur::inline CONCUR_ABI {

namespace detail {

// Until one of the descriptors has events or the deadline has come, also when signals interrupt it. Returns whether one
// has.
inline bool poll_until(pollfd* those, nfds_t count, time_point deadline) {
  for (;;) {
    timespec left{};
    if (deadline != os::never && deadline != at_once) {
      using std::chrono::nanoseconds;
      auto const length = std::max(nanoseconds(deadline - os::clock::now()), nanoseconds::zero()).count();
      left = {static_cast<time_t>(length / 1'000'000'000), static_cast<long>(length % 1'000'000'000)};
    }
    int const ready = ::ppoll(those, count, deadline == os::never ? nullptr : &left, nullptr);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waiting for a descriptor");
  }
}

}  // namespace detail

/// Blocks until one of the descriptors has one of its events of poll(2), or has failed, or the limit is reached.
/// Returns `granted`, and what each has in its `revents`; `none` for the deadline; or `stopped`. A negative number is
/// left out. Requires: one place more at the end, which is for its own use. Throws std::system_error. Any thread.
inline wake_reason wait_for_descriptors(std::span<pollfd> those, wait_limit const& limit) {
  auto& last = those.back();
  auto const wait = [&] {
    for (auto deadline = limit.deadline;;) {
      if (detail::poll_until(those.data(), those.size(), deadline)) {
        bool const any =
            std::any_of(those.begin(), those.end() - 1, [](pollfd const& one) { return one.revents != 0; });
        return any ? wake_reason::granted : wake_reason::stopped;
      }
      if (limit.ask_again != nullptr) deadline = limit.ask_again(limit.when);
      if (limit.ask_again == nullptr || deadline == at_once) return wake_reason::none;
    }
  };
  last = {-1, POLLIN, 0};
  if (limit.stop == nullptr) return wait();
  unique_fd const alarm(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!alarm) throw std::system_error(errno, std::generic_category(), "eventfd");
  last.fd = alarm.get();
  auto const ring = [&alarm]() noexcept { static_cast<void>(::eventfd_write(alarm.get(), 1)); };
  os::stop_callback<decltype(ring) const&> const on_stop(*limit.stop, ring);
  return wait();
}

/// The same for one.
inline wake_reason wait_for_descriptor(int fd, short events, wait_limit const& limit) {
  pollfd those[2] = {{fd, events, 0}, {-1, POLLIN, 0}};
  return wait_for_descriptors(those, limit);
}

}  // namespace concur::inline CONCUR_ABI
