// SPDX-License-Identifier: BSL-1.0
//
// How a ring is told of a call.
#pragma once

#include <concur/loop/file_call.hpp>
#include <concur/loop/io_call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <liburing.h>
#include <sys/socket.h>

namespace concur::inline CONCUR_ABI::detail {

/// Whether the system makes such a call by itself as soon as it does not have to wait any more. The others: it does not
/// wait where the descriptor does not block (read), sends a signal (write), or has begun before it waits (connect).
inline bool ring_carries(io_call const& call) noexcept {
  switch (call.what()) {
    case io_call::kind::receive:
    case io_call::kind::send:
    case io_call::kind::receive_message:
    case io_call::kind::send_message:
    case io_call::kind::accept: return true;
    default: return false;
  }
}

/// Requires: `ring_carries`. `ready`: it is worth a try. Otherwise the system waits first.
inline void fill_in(io_uring_sqe& entry, io_call const& call, bool ready) noexcept {
  auto const flags = static_cast<unsigned>(call.flags());
  switch (call.what()) {
    case io_call::kind::receive: io_uring_prep_recv(&entry, call.fd(), call.data(), call.size(), call.flags()); break;
    case io_call::kind::send: io_uring_prep_send(&entry, call.fd(), call.data(), call.size(), call.flags()); break;
    case io_call::kind::receive_message:
      io_uring_prep_recvmsg(&entry, call.fd(), static_cast<msghdr*>(call.data()), flags);
      break;
    case io_call::kind::send_message:
      io_uring_prep_sendmsg(&entry, call.fd(), static_cast<msghdr const*>(call.data()), flags);
      break;
    default: io_uring_prep_accept(&entry, call.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); return;
  }
  if (!ready) entry.ioprio = IORING_RECVSEND_POLL_FIRST;
}

/// The same of calls on files. Not writes: most file systems leave them to a worker of the kernel, by which one of
/// 64 KiB took nine times as long as by a thread of ours (benchmarks/file_throughput).
inline bool ring_carries(file_call const& call) noexcept {
  using kind = file_call::kind;
  return call.what() == kind::read || call.what() == kind::sync || call.what() == kind::data_sync;
}
inline void fill_in(io_uring_sqe& entry, file_call const& call) noexcept {
  constexpr std::size_t most = 1024 * 1024 * 1024;
  auto const size = static_cast<unsigned>(std::min(call.size(), most));
  auto const at = static_cast<std::uint64_t>(call.at());  // `here` means the same to the system
  switch (call.what()) {
    case file_call::kind::read: io_uring_prep_read(&entry, call.fd(), call.data(), size, at); break;
    case file_call::kind::sync: io_uring_prep_fsync(&entry, call.fd(), 0); break;
    default: io_uring_prep_fsync(&entry, call.fd(), IORING_FSYNC_DATASYNC); break;
  }
  // The loop's thread must not be the one that copies so much.
  if (call.size() > file_call::most_at_once) entry.flags |= IOSQE_ASYNC;
}

}  // namespace concur::inline CONCUR_ABI::detail
