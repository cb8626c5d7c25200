// SPDX-License-Identifier: BSL-1.0
//
// A ring of the system's (io_uring(7), by liburing): calls go in, and what came of them comes out.
//
//     io_ring ring;
//     if (!ring.open(256)) …                       // this machine has none for us
//     if (auto* entry = ring.next_entry()) …       // fill it in
//     ring.wait(deadline);
//     ring.take([](io_uring_cqe const& one) { … });
#pragma once

#include <concur/core/deadline.hpp>
#include <concur/core/os.hpp>
#include <concur/core/registry.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <liburing.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace concur::inline CONCUR_ABI::detail {

/// For the thread that has opened it, and for no child process. What was given to the system has come back before it
/// is closed: otherwise the system may still write where the calls said.
///
/// Needs Linux 6.1: from then on nothing happens between two calls of this thread (IORING_SETUP_DEFER_TASKRUN), which
/// is the cheapest way and the simplest one, and a call can be withdrawn without a place in the ring.
class io_ring {
 public:
  io_ring() noexcept = default;
  ~io_ring() { close(); }
  io_ring(io_ring const&) = delete;
  io_ring& operator=(io_ring const&) = delete;

  /// Returns whether there is one now, with room for so many calls at a time. Requires: it is closed.
  bool open(unsigned entries) noexcept;
  void close() noexcept {
    if (is_open()) io_uring_queue_exit(&ring_);
    opened_by_ = 0;
  }
  bool is_open() const noexcept { return opened_by_ != 0; }
  bool is_of_this_thread() const noexcept { return opened_by_ == ::gettid(); }
  /// Whether this is a child process, which shares it with the parent.
  bool is_parents() const noexcept {
    return is_open() && forks_ != process_wide::forks.load(std::memory_order_relaxed);
  }

  /// Where the next call goes; the system has made room if need be. Null when it could not.
  io_uring_sqe* next_entry() noexcept {
    auto* const entry = io_uring_get_sqe(&ring_);
    return entry != nullptr ? entry : next_entry_after_submit();
  }

  /// Has something come with that tag when the descriptor can be read, once. Returns false when there is no place.
  bool tell_when_readable(int fd, std::uint64_t tag) noexcept {
    auto* const entry = next_entry();
    if (entry == nullptr) return false;
    io_uring_prep_poll_add(entry, fd, POLLIN);
    entry->user_data = tag;
    return true;
  }

  /// Hands over what is in the ring, and fetches what has come of earlier calls. The second waits until something has,
  /// or until `deadline`; it may return for no reason. Throw std::system_error when the ring is broken.
  void submit() { check(io_uring_submit_and_get_events(&ring_)); }
  void wait(time_point deadline);
  /// Only fetches.
  void fetch() noexcept { io_uring_get_events(&ring_); }

  /// Calls `function(completion)` for each that has come, and returns how many that were.
  template <class Function>
  unsigned take(Function function);

  /// Has the system give up the calls with that tag, or all; hands over first what is in the ring. Each comes back, as
  /// -ECANCELED or as what it was when this came too late. Returns when nothing more happens through them, but that.
  void withdraw(std::uint64_t tag) noexcept { withdraw(tag, 0); }
  void withdraw_all() noexcept { withdraw(0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL); }

 private:
  static constexpr unsigned completions_per_entry = 8;  // more than that the system keeps until there is room

  [[gnu::noinline]] io_uring_sqe* next_entry_after_submit() noexcept {
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
  }
  int ask_to_withdraw(std::uint64_t tag, unsigned flags) noexcept;
  void withdraw(std::uint64_t tag, unsigned flags) noexcept;
  static void check(int status);

  io_uring ring_{};
  int opened_by_ = 0;  // a thread's number, while it is open
  unsigned forks_ = 0;  // when it was opened
};

inline bool io_ring::open(unsigned entries) noexcept {
  io_uring_params wanted{};
  wanted.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  wanted.cq_entries = entries * completions_per_entry;
  if (io_uring_queue_init_params(entries, &ring_, &wanted) != 0) return false;
  // A sandbox may allow one call and refuse another. There is nothing to withdraw yet.
  int const status = ask_to_withdraw(0, 0);
  bool const usable = (status == 0 || status == -ENOENT) && io_uring_get_events(&ring_) >= 0;
  if (!usable) {
    io_uring_queue_exit(&ring_);
    return false;
  }
  opened_by_ = ::gettid();
  forks_ = process_wide::forks.load(std::memory_order_relaxed);
  return true;
}

inline void io_ring::check(int status) {
  switch (-status) {
    case ETIME:
    case EINTR:
    case EBUSY:  // what has come has to be taken first
    case EAGAIN: return;
    default:
      if (status < 0) throw std::system_error(-status, std::generic_category(), "io_uring_enter");
  }
}

inline void io_ring::wait(time_point deadline) {
  using std::chrono::nanoseconds;
  __kernel_timespec length{};
  bool const timed = deadline != os::never;
  if (timed) {
    auto const left = std::max(nanoseconds(deadline - os::clock::now()), nanoseconds::zero()).count();
    length.tv_sec = left / 1'000'000'000;
    length.tv_nsec = left % 1'000'000'000;
  }
  io_uring_cqe* first = nullptr;
  check(io_uring_submit_and_wait_timeout(&ring_, &first, 1, timed ? &length : nullptr, nullptr));
}

template <class Function>
unsigned io_ring::take(Function function) {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(&ring_, head, completion) {
    function(*completion);
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
  return count;
}

inline int io_ring::ask_to_withdraw(std::uint64_t tag, unsigned flags) noexcept {
  io_uring_sync_cancel_reg what{};
  what.addr = tag;
  what.flags = flags;
  what.timeout = {-1, -1};  // no limit
  return io_uring_register_sync_cancel(&ring_, &what);
}

inline void io_ring::withdraw(std::uint64_t tag, unsigned flags) noexcept {
  while (io_uring_sq_ready(&ring_) != 0) {
    int const status = io_uring_submit(&ring_);
    if (status < 0 && status != -EAGAIN && status != -EBUSY && status != -EINTR) break;
  }
  while (ask_to_withdraw(tag, flags) == -EINTR) {
  }
}

}  // namespace concur::inline CONCUR_ABI::detail
